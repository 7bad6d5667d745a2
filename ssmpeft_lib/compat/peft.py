"""What is done inside Hugging Face's peft: registering with it, a type of our own, and its rule for LoRA on Mamba.

peft is imported by other people's programs, before or after this library, and never by this module alone: planning
imports it too. So the methods are registered when peft is imported. Where that fails with a version of peft, a warning
says why, and `ssmpeft_lib.adapt`, `save` and `load` go on without it. The tuner itself, `peft/tuner.py`, overrides what
peft has every tuner override.
"""

from __future__ import annotations

import importlib
import importlib.abc
import sys
import threading
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .window import warn_changed


def register_when_imported() -> None:
    """Register now where peft is imported already, else when it will be."""
    if not any(isinstance(finder, _PeftFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _PeftFinder())
    if sys.modules.get("peft") is not None:
        # waits where another thread is in the middle of this import, which began before the finder was there
        _register_with(importlib.import_module("peft"))


def _register_with(peft: ModuleType) -> None:
    if not hasattr(peft, "get_peft_model"):
        return
    if _register() is None:
        return
    if threading.active_count() > 1:
        # another thread may be importing modules of ours, and wait for the import that this is part of
        threading.Thread(target=_register_or_warn, daemon=True).start()
    else:
        _register_or_warn()


def _register() -> Exception | None:
    try:
        from ..peft.registration import register

        register()
    except Exception as error:
        return error
    return None


def _register_or_warn() -> None:
    """Register, or say why not and go on: our failure must not keep anyone from using peft itself."""
    error = _register()
    if error is not None:
        version = getattr(sys.modules["peft"], "__version__", "")
        warnings.warn(
            f"the methods of ssmpeft_lib cannot be used through peft {version}: "
            f"{type(error).__name__}: {error}. ssmpeft_lib.adapt, save and load work without peft",
            stacklevel=2,
        )


def add_type(name: str) -> None:
    """Add a member to peft's enumeration of adapter types, which is closed and is what configurations are saved by.

    Raises:
        TypeError: the enumeration is not of strings any more, or kept otherwise than Python's `enum` keeps one.
    """
    from peft import PeftType

    if name in PeftType.__members__:
        return
    parts = ("_member_names_", "_member_map_", "_value2member_map_")
    if not issubclass(PeftType, str) or not all(hasattr(PeftType, part) for part in parts):
        raise TypeError(f"peft's enumeration of types cannot take {name}: it is not the enumeration of strings it was")
    member = str.__new__(PeftType, name)
    member._name_ = member._value_ = name
    member.__objclass__ = PeftType
    member._sort_order_ = len(PeftType._member_names_)
    PeftType._member_names_.append(name)
    PeftType._member_map_[name] = member
    PeftType._value2member_map_[name] = member
    # the enumeration's own metaclass refuses new attributes
    type.__setattr__(PeftType, name, member)


def is_refused_by_lora(model: Any, layer: str) -> bool:
    """Whether peft refuses LoRA on a layer of a model of this type; not known to be, where peft has no such rule."""
    from peft import LoraConfig
    from peft.tuners import tuners_utils

    check = getattr(tuners_utils, "_check_lora_target_modules_mamba", None)
    if check is None:
        warn_changed("peft", "its check of LoRA on Mamba", "0.21", "exported layers are not compared with it")
        return False
    try:
        check(LoraConfig(), model, layer)
    except ValueError:
        return True
    return False


class _PeftFinder(importlib.abc.MetaPathFinder):
    """Finds peft as the other finders do, with a loader that registers behind the import.

    It stays in place, as a look-up need not be followed by an import, and a failed import may be tried again.
    """

    def find_spec(self, name: str, path=None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "peft":
            return None
        others = (finder for finder in list(sys.meta_path) if finder is not self and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader):
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        # from here on the module is what it would be without us
        module.__loader__ = module.__spec__.loader = self.loader
        _register_with(module)

    def __getattr__(self, name: str):
        # resources and sources are the wrapped loader's business
        if name == "loader":
            raise AttributeError(name)
        return getattr(self.loader, name)
