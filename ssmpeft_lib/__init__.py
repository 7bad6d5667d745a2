"""Parameter-efficient fine-tuning of state space models: every method of the SDLoRA / SDT paper.

    model = ssmpeft_lib.adapt(model, "lora@in_proj_x+out_proj")

Importing this package makes the methods known to Hugging Face peft as well (`SSMPeftConfig`). Nothing heavy is imported
before it is used.
"""

from __future__ import annotations

from importlib import import_module

from .peft_hook import register_when_imported

_HOME = {
    "adapt": "adaptation",
    "adaptation_of": "adaptation",
    "count": "adaptation",
    "merge": "adaptation",
    "parameter_groups": "adaptation",
    "remove": "adaptation",
    "params": "counting",
    "doctor": "checkup.examination",
    "begin_warmup": "warmup",
    "initialize_sdt_weights": "warmup",
    "select": "warmup",
    "load": "storage",
    "save": "storage",
    "SSMPeftConfig": "peft.config",
    "SelectBeforeTraining": "peft.callback",
    "export_lora": "peft.export",
}
"""The public names and the modules that they live in."""

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


register_when_imported()
