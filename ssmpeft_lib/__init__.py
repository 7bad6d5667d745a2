"""Parameter-efficient fine-tuning of state space models: every method of the SDLoRA / SDT paper.

    model = ssmpeft_lib.adapt(model, "lora@in_proj_x+out_proj")

Importing this package makes the methods known to Hugging Face peft as well (`SSMPeftConfig`). Nothing heavy is imported
before it is used.
"""

from __future__ import annotations

from importlib import import_module

from .compat.peft import register_when_imported
from .compat.window import installed_version

HOME = {
    "adapt": "adapters.api",
    "adaptation_of": "adapters.api",
    "count": "adapters.api",
    "merge": "adapters.api",
    "parameter_groups": "adapters.api",
    "remove": "adapters.api",
    "params": "adapters.count",
    "doctor": "checkup.examination",
    "begin_warmup": "adapters.select_by_warmup",
    "initialize_sdt_weights": "adapters.select_by_warmup",
    "select": "adapters.select_by_warmup",
    "hotswap": "adapters.storage",
    "load": "adapters.storage",
    "save": "adapters.storage",
    "SSMPeftConfig": "peft.config",
    "SelectBeforeTraining": "peft.callback",
    "export_lora": "peft.export",
}
"""The public names and the modules that they live in."""

__all__ = sorted(HOME)


def __getattr__(name: str):
    if name in HOME:
        return getattr(import_module(f".{HOME[name]}", __name__), name)
    if name == "__version__":
        return installed_version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *HOME])


register_when_imported()
