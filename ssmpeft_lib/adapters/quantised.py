"""Weights that a quantiser packs: which ones they are, and what an adapter can do with them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from .deltas import Delta

PLAIN = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
"""Types in which a weight holds its own values."""


def is_quantised(weight: Tensor) -> bool:
    """Whether a weight holds codes for its values, whatever the quantiser (bitsandbytes, quanto, torchao, float8).

    Some quantisers keep the codes in a tensor of another type, others in a subclass of Tensor that claims to hold
    floating-point values. A tensor that is spread over devices is such a subclass too, but holds its own values.
    """
    if weight.dtype not in PLAIN:
        return True
    inner = weight.data if isinstance(weight, torch.nn.Parameter) else weight
    return is_traceable_wrapper_subclass(inner) and not hasattr(inner, "placements")


def describe(weight: Tensor) -> str:
    """The kind of a quantised weight, for messages."""
    kind = type(weight.data).__name__
    return str(weight.dtype) if kind in ("Tensor", "Parameter") else f"{kind}, {weight.dtype}"


def check_additive(slot: str, weight: Tensor, delta: Delta) -> None:
    """Raise a ValueError when a delta would have to change the values that a quantised weight does not show."""
    if is_quantised(weight) and not (delta.on_output and delta.additive):
        raise ValueError(f"{slot} is quantised ({describe(weight)}); only low-rank updates can be put on it")
