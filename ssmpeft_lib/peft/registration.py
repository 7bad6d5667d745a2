"""Makes the adapter type known to peft, which has no entry point for tuners of other packages."""

from __future__ import annotations

import threading

from peft import PeftType
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.utils import register_peft_method

from ..adapters.storage import PEFT_TYPE

_ONE_AT_A_TIME = threading.Lock()


def register() -> None:
    """Register the type, its configuration and its tuner. Does nothing when that was done already."""
    from .config import SSMPeftConfig
    from .tuner import SSMPeftModel

    with _ONE_AT_A_TIME:
        _extend(PEFT_TYPE)
        if PeftType(PEFT_TYPE) not in PEFT_TYPE_TO_TUNER_MAPPING:
            register_peft_method(
                name=PEFT_TYPE.lower(), config_cls=SSMPeftConfig, model_cls=SSMPeftModel, prefix=SSMPeftModel.prefix
            )


def _extend(name: str) -> None:
    """Add a member to peft's closed enumeration of types."""
    if name in PeftType.__members__:
        return
    member = str.__new__(PeftType, name)
    member._name_ = member._value_ = name
    member.__objclass__ = PeftType
    member._sort_order_ = len(PeftType._member_names_)
    PeftType._member_names_.append(name)
    PeftType._member_map_[name] = member
    PeftType._value2member_map_[name] = member
    # the enumeration's own metaclass refuses new attributes
    type.__setattr__(PeftType, name, member)
