"""The convolution of the authors of Mamba on CUDA (`causal_conv1d`)."""

from __future__ import annotations

from torch import Tensor

from ssmpeft_lib.ops._layout import in_layout_of
from ssmpeft_lib.ops.conv import torch as torch_backend

WIDTHS = (2, 3, 4)
"""Widths that the kernel of the convolution covers; others run on the torch loop."""


def causal_conv1d(x, weight, bias, activation, initial_columns) -> Tensor:
    """Convolution and activation; initial columns need the transposed layout."""
    if weight.shape[1] not in WIDTHS:
        return torch_backend.causal_conv1d(x, weight, bias, activation, initial_columns)
    from causal_conv1d import causal_conv1d_fn

    if initial_columns is None:
        return in_layout_of(causal_conv1d_fn(x, weight, bias, activation=activation), x)
    columns = initial_columns.expand(x.shape[0], -1, -1)
    x_transposed, columns = (tensor.transpose(1, 2).contiguous().transpose(1, 2) for tensor in (x, columns))
    y = causal_conv1d_fn(x_transposed, weight, bias, initial_states=columns, activation=activation)
    return in_layout_of(y, x)
