"""Attention: the projections of queries, keys and values, and the one behind (Table 12, "Attention")."""

from torch import nn

from ..adapters.slots import SlotSpec

SLOTS = {name: SlotSpec(f"{name}.weight") for name in ("q_proj", "k_proj", "v_proj", "o_proj")}

GROUPS = {"attention": tuple(SLOTS)}


def matches(module: nn.Module) -> bool:
    """Whether a module is an attention layer."""
    return all(hasattr(module, name) for name in SLOTS)
