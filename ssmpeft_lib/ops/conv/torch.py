"""The convolution in plain torch, on any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops._layout import accumulation_dtype, cast


def causal_conv1d(x, weight, bias, activation, initial_columns) -> Tensor:
    """One multiply-add over the whole sequence for each tap; several times faster than torch's grouped convolution."""
    if x.stride(1) <= x.stride(2):
        return _causal_conv1d(x.transpose(1, 2), weight, bias, activation, initial_columns, time=1).transpose(1, 2)
    return _causal_conv1d(x, weight, bias, activation, initial_columns, time=2)


def _causal_conv1d(x, weight, bias, activation, initial_columns, time: int) -> Tensor:
    """The convolution of x with its time axis at `time`; concatenating in this order keeps the layout."""
    compute = accumulation_dtype(x.dtype)
    (channels, width), seq_len = weight.shape, x.shape[time]
    per_channel = (channels,) if time == 1 else (channels, 1)
    if initial_columns is None:
        padded = F.pad(x, (0, 0, width - 1, 0) if time == 1 else (width - 1, 0))
    else:
        before = initial_columns.expand(x.shape[0], -1, -1)
        padded = torch.cat([before.transpose(1, 2) if time == 1 else before, x], dim=time)
    padded = cast(padded, compute)
    y = padded.narrow(time, 0, seq_len) * weight[:, 0].view(per_channel)
    for tap in range(1, width):
        y = torch.addcmul(y, padded.narrow(time, tap, seq_len), weight[:, tap].view(per_channel))
    if bias is not None:
        y = y + bias.view(per_channel)
    return cast(F.silu(y) if activation == "silu" else y, x.dtype)
