"""Makes the adapter type known to peft, which has no entry point for tuners of other packages."""

from __future__ import annotations

import threading

from peft import PeftType
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.utils import register_peft_method

from ..adapters.storage import PEFT_TYPE
from ..compat.peft import add_type

_ONE_AT_A_TIME = threading.Lock()


def register() -> None:
    """Register the type, its configuration and its tuner. Does nothing when that was done already."""
    from .config import SSMPeftConfig
    from .tuner import SSMPeftModel

    with _ONE_AT_A_TIME:
        add_type(PEFT_TYPE)
        if PeftType(PEFT_TYPE) not in PEFT_TYPE_TO_TUNER_MAPPING:
            register_peft_method(
                name=PEFT_TYPE.lower(), config_cls=SSMPeftConfig, model_cls=SSMPeftModel, prefix=SSMPeftModel.prefix
            )
