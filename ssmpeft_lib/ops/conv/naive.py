"""The reference of the convolution: torch's own grouped convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops._layout import accumulation_dtype, in_layout_of


def causal_conv1d(x, weight, bias, activation, initial_columns) -> Tensor:
    """Depthwise convolution over the present and the `width - 1` inputs before it."""
    compute = accumulation_dtype(x.dtype)
    width = weight.shape[1]
    if initial_columns is None:
        before = x.new_zeros(x.shape[0], x.shape[1], width - 1)
    else:
        before = initial_columns.expand(x.shape[0], -1, -1)
    padded = torch.cat([before, x], dim=-1).to(compute)
    y = F.conv1d(padded, weight[:, None], bias, groups=weight.shape[0])
    return in_layout_of((F.silu(y) if activation == "silu" else y).to(x.dtype), x)
