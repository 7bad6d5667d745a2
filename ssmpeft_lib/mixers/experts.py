"""Experts of a mixture, which transformers stores as stacks of matrices: one adapter for each expert's matrix."""

from torch import nn

from ..adapters.slots import SlotSpec

SLOTS = {
    "experts_gate_proj": SlotSpec("gate_up_proj", rows=lambda m: _half(m, 0), stacked=True),
    "experts_up_proj": SlotSpec(("gate_up_proj", "up_proj"), rows=lambda m: _half(m, 1), stacked=True),
    "experts_down_proj": SlotSpec("down_proj", stacked=True),
}

GROUPS = {"mlp": tuple(SLOTS)}


def matches(module: nn.Module) -> bool:
    """Whether a module holds the matrices of experts, with a gate or, as in Nemotron-H, without."""
    stacks = [name for name in ("gate_up_proj", "up_proj", "down_proj") if _is_stack(module, name)]
    return len(stacks) == 2 and "down_proj" in stacks


def _is_stack(module: nn.Module, name: str) -> bool:
    return getattr(getattr(module, name, None), "ndim", 0) == 3


def _half(module: nn.Module, which: int) -> slice | None:
    if not _is_stack(module, "gate_up_proj"):
        return None
    middle = module.gate_up_proj.shape[1] // 2
    return slice(which * middle, (which + 1) * middle)
