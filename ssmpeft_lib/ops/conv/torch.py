"""The convolution in plain torch, on any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops._layout import accumulation_dtype, cast, last_start


def causal_conv1d(x, weight, bias, activation, initial_columns, starts=None) -> Tensor:
    """One multiply-add over the whole sequence for each tap; several times faster than torch's grouped convolution."""
    if x.stride(1) <= x.stride(2):
        y = _causal_conv1d(x.transpose(1, 2), weight, bias, activation, initial_columns, starts, time=1)
        return y.transpose(1, 2)
    return _causal_conv1d(x, weight, bias, activation, initial_columns, starts, time=2)


def _causal_conv1d(x, weight, bias, activation, initial_columns, starts, time: int) -> Tensor:
    """The convolution of x with its time axis at `time`; concatenating in this order keeps the layout."""
    compute = accumulation_dtype(x.dtype)
    (channels, width), seq_len = weight.shape, x.shape[time]
    per_channel = (channels,) if time == 1 else (channels, 1)
    before = None
    if initial_columns is None:
        padded = F.pad(x, (0, 0, width - 1, 0) if time == 1 else (width - 1, 0))
    else:
        before = initial_columns.expand(x.shape[0], -1, -1)
        before = before.transpose(1, 2) if time == 1 else before
        padded = torch.cat([before, x], dim=time)
        before = cast(before, compute)
    padded = cast(padded, compute)
    since = None if starts is None else _since_start(starts, time)

    def inputs(tap: int) -> Tensor:
        here = padded.narrow(time, tap, seq_len)
        return here if since is None else _of_document(here, since - (width - 1 - tap), before, time)

    y = inputs(0) * weight[:, 0].view(per_channel)
    for tap in range(1, width):
        y = torch.addcmul(y, inputs(tap), weight[:, tap].view(per_channel))
    if bias is not None:
        y = y + bias.view(per_channel)
    return cast(F.silu(y) if activation == "silu" else y, x.dtype)


def _since_start(starts: Tensor, time: int) -> Tensor:
    """Steps since each step's document started, with an axis for the channels."""
    steps = torch.arange(starts.shape[1], device=starts.device)
    return (steps - last_start(starts)).unsqueeze(3 - time)


def _of_document(inputs: Tensor, position: Tensor, before: Tensor | None, time: int) -> Tensor:
    """The inputs at some positions of each document; the columns before it, or zeros, at negative ones."""
    if before is None or not before.shape[time]:
        return inputs.masked_fill(position < 0, 0)
    index = (position + before.shape[time]).clamp(0, before.shape[time] - 1)
    return torch.where(position < 0, before.gather(time, index.expand_as(inputs)), inputs)
