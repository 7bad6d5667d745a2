"""The convolution of the authors of Mamba on CUDA (`causal_conv1d`)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssmpeft_lib.ops._layout import in_layout_of
from ssmpeft_lib.ops.conv import torch as torch_backend

WIDTHS = (2, 3, 4)
"""Widths that the kernel of the convolution covers; others run on the torch loop."""


def causal_conv1d(x, weight, bias, activation, initial_columns, starts=None) -> Tensor:
    """Convolution and activation; initial columns and documents need the transposed layout."""
    # the kernel has initial columns or documents, not both
    if weight.shape[1] not in WIDTHS or (initial_columns is not None and starts is not None):
        return torch_backend.causal_conv1d(x, weight, bias, activation, initial_columns, starts)
    from causal_conv1d import causal_conv1d_fn

    if starts is not None:
        documents = starts.cumsum(1, dtype=torch.int32)
        y = causal_conv1d_fn(_transposed(x), weight, bias, seq_idx=documents, activation=activation)
        return in_layout_of(y, x)
    if initial_columns is None:
        return in_layout_of(causal_conv1d_fn(x, weight, bias, activation=activation), x)
    columns = _transposed(initial_columns.expand(x.shape[0], -1, -1))
    y = causal_conv1d_fn(_transposed(x), weight, bias, initial_states=columns, activation=activation)
    return in_layout_of(y, x)


def _transposed(tensor: Tensor) -> Tensor:
    return tensor.transpose(1, 2).contiguous().transpose(1, 2)
