"""Padded batches: a state must pass through padding unchanged, and a learned start must meet the first real token."""

from __future__ import annotations

import torch
from torch import Tensor

MASKED_DELTA = -1e4
"""A time step whose softplus is zero: the state is carried on and nothing enters it."""


def first_token(mask: Tensor) -> Tensor:
    """Position of the first real token of each row, from a mask [batch, seq_len]; int64 [batch]."""
    return (mask != 0).to(torch.int64).argmax(dim=1)


def place_columns(x: Tensor, columns: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """Put the convolution's learned columns right in front of each row's first real token.

    Args:
        x: inputs of the convolution, zero at padding, [batch, channels, seq_len].
        columns: [1, channels, width - 1].
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
