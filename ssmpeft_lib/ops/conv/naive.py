"""The reference of the convolution: torch's own grouped convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops._layout import accumulation_dtype, in_layout_of


def causal_conv1d(x, weight, bias, activation, initial_columns, starts=None) -> Tensor:
    """Depthwise convolution over the present and the `width - 1` inputs before it, one document after another."""
    if starts is not None and x.numel():
        return in_layout_of(_of_documents(x, weight, bias, activation, initial_columns, starts), x)
    compute = accumulation_dtype(x.dtype)
    width = weight.shape[1]
    if initial_columns is None:
        before = x.new_zeros(x.shape[0], x.shape[1], width - 1)
    else:
        before = initial_columns.expand(x.shape[0], -1, -1)
    padded = torch.cat([before, x], dim=-1).to(compute)
    y = F.conv1d(padded, weight[:, None], bias, groups=weight.shape[0])
    return in_layout_of((F.silu(y) if activation == "silu" else y).to(x.dtype), x)


def _of_documents(x, weight, bias, activation, initial_columns, starts) -> Tensor:
    columns = [None] * len(x) if initial_columns is None else initial_columns.expand(len(x), -1, -1).split(1)
    rows = []
    for row, own, begins in zip(x.split(1), columns, starts, strict=True):
        documents = row.tensor_split(begins.nonzero().flatten()[1:].cpu(), dim=-1)
        rows.append(torch.cat([causal_conv1d(part, weight, bias, activation, own, None) for part in documents], dim=-1))
    return torch.cat(rows)
