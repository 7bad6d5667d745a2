"""Padded batches: a learned start passes the padding in front unchanged and meets the first real token.

Apart from that, a mask means what it means in transformers: at a zero nothing enters the convolution and the scan, but
the state decays on. So a zero between tokens is no gap, and batches are best padded from the left.
"""

from __future__ import annotations

import torch
from torch import Tensor

MASKED_DELTA = -1e4
"""A time step whose softplus is zero: the state is carried on and nothing enters it."""


def first_token(mask: Tensor) -> Tensor:
    """Position of the first real token of each row, from a mask [batch, seq_len]; seq_len where there is none.

    Returns:
        int64 [batch].
    """
    return ((mask != 0).to(torch.int64).cumsum(1) == 0).sum(1)


def in_front(first: Tensor, seq_len: int) -> Tensor:
    """Mark the padding in front of the first real tokens, bool [batch, seq_len]."""
    return torch.arange(seq_len, device=first.device) < first[:, None]


def place_columns(x: Tensor, columns: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """Put the convolution's columns right in front of each row's first real token.

    Args:
        x: inputs of the convolution, [batch, channels, seq_len].
        columns: [batch or 1, channels, width - 1].
        first: position of the first real token, [batch].
    Returns:
        x with the columns placed in its left padding, and those that stand before x, [batch, channels, width - 1].
    """
    width = columns.shape[-1]
    batch, channels, _ = x.shape
    whole = torch.cat([x.new_zeros(batch, channels, width), x], dim=-1)
    position = first[:, None] + torch.arange(width, device=x.device)
    whole = whole.scatter(2, position[:, None].expand(-1, channels, -1), columns.expand(batch, -1, -1))
    return whole[..., width:], whole[..., :width]
