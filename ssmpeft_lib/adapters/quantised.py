"""Weights that a quantiser packs: which ones they are, what an adapter can do with them, and what they stand for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..compat.torch import is_wrapper_of_tensors, own_parameter
from ..ops import Linear
from .deltas import Delta
from .mixed_class import stock_class

PLAIN = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
"""Types in which a weight holds its own values."""


def quantiser_of(weight: Tensor, layer: nn.Module | None = None) -> str:
    """How a weight is quantised, in a few words; empty where it holds its own values.

    Some quantisers keep codes in a tensor of another type (bitsandbytes, float8), some in a subclass of Tensor that
    claims to hold floating-point values (torchao, quanto), and some pack the values at each call of their own layer.

    Args:
        layer: the linear layer whose weight it is.
    """
    if weight.dtype not in PLAIN:
        return str(weight.dtype)
    inner = weight.data if isinstance(weight, nn.Parameter) else weight
    # a tensor that is spread over devices is a subclass too, but holds its own values
    if is_wrapper_of_tensors(inner) and not hasattr(inner, "placements"):
        return type(inner).__name__
    own = isinstance(layer, nn.Linear) and stock_class(layer).forward not in (nn.Linear.forward, Linear.forward)
    return stock_class(layer).__name__ if own else ""


def check_additive(slot: str, quantiser: str, delta: Delta) -> None:
    """Raise a ValueError when a delta would have to know or change values that a quantised weight does not show."""
    if quantiser and (delta.reads_weight or not (delta.on_output and delta.additive)):
        raise ValueError(f"{slot} is quantised ({quantiser}); only low-rank updates can be put on it, such as lora")


@torch.no_grad()
def dequantised(layer: nn.Linear) -> Linear:
    """A plain layer that computes what a quantised one does, with the same bias."""
    like = next((p for p in layer.parameters() if p.dtype in PLAIN), torch.empty(0))
    bias = own_parameter(layer, "bias")
    columns = layer(torch.eye(layer.in_features, dtype=like.dtype, device=layer.weight.device))
    plain = Linear(layer.in_features, layer.out_features, bias is not None, device=columns.device, dtype=columns.dtype)
    plain.weight.copy_((columns if bias is None else columns - layer.bias).t())
    plain.bias = bias
    return plain.requires_grad_(False).train(layer.training)
