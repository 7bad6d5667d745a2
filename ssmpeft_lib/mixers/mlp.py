"""Gated MLP (Table 12, "MLP", together with the experts)."""

from torch import nn

from ..adapters.slots import SlotSpec

SLOTS = {name: SlotSpec(f"{name}.weight") for name in ("gate_proj", "up_proj", "down_proj")}

GROUPS = {"mlp": tuple(SLOTS)}


def matches(module: nn.Module) -> bool:
    """Whether a module is a gated MLP."""
    return all(isinstance(getattr(module, name, None), nn.Module) for name in SLOTS)
