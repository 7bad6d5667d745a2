"""Experts of a mixture, which transformers stores as stacks of matrices: one adapter for each expert's matrix."""

from torch import nn

from ..adapters.slots import SlotSpec

SLOTS = {
    "experts_gate_proj": SlotSpec("gate_up_proj", rows=lambda m: _half(m, 0), stacked=True),
    "experts_up_proj": SlotSpec("gate_up_proj", rows=lambda m: _half(m, 1), stacked=True),
    "experts_down_proj": SlotSpec("down_proj", stacked=True),
}

GROUPS = {"mlp": tuple(SLOTS)}


def matches(module: nn.Module) -> bool:
    """Whether a module holds fused experts."""
    return all(getattr(getattr(module, name, None), "ndim", 0) == 3 for name in ("gate_up_proj", "down_proj"))


def _half(module: nn.Module, which: int) -> slice:
    middle = module.gate_up_proj.shape[1] // 2
    return slice(which * middle, (which + 1) * middle)
