"""Registers with peft as soon as peft is imported, without importing it: planning imports this package too."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType


def register_when_imported() -> None:
    """Register now where peft is imported already, else when it will be."""
    if hasattr(sys.modules.get("peft"), "get_peft_model"):
        _register()
    elif not any(isinstance(finder, _BehindPeft) for finder in sys.meta_path):
        sys.meta_path.insert(0, _BehindPeft())


def _register() -> None:
    importlib.import_module("ssmpeft_lib.peft.registration").register()


class _BehindPeft(importlib.abc.MetaPathFinder):
    """Finds peft as the other finders do, and registers behind its import."""

    def find_spec(self, name: str, path=None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "peft":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader):
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        _register()

    def __getattr__(self, name: str):
        # resources and sources are the wrapped loader's business
        return getattr(self.loader, name)
