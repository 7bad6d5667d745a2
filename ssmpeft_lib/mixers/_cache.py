"""What a mixer writes into transformers' cache for the next token."""

from __future__ import annotations

import torch
from torch import Tensor

from ..adapters.inputs.starts import Start
from ..adapters.padding import first_token
from ..compat.transformers import begin_anew


def remember(cache, layer: int, x: Tensor, columns: Tensor | None, width: int, state: Tensor) -> None:
    """Write the last `width` inputs of the convolution and the scan's last state.

    Args:
        cache: transformers' Cache.
        x: inputs of the convolution, [batch, channels, seq_len].
        columns: what stood before them, or None for zeros.
        state: of the scan after the last token. What a mixer keeps beside it for single steps is forgotten.
    """
    if columns is not None:
        x = torch.cat([columns.expand(len(x), -1, -1).to(x.dtype), x], dim=-1)
    # a prefill: what came before is in `columns` already, and weights may have changed since
    begin_anew(cache.layers[layer])
    cache.layers[layer].A = None
    cache.update_conv_state(x[..., -width:].detach(), layer, conv_kernel_size=width)
    cache.update_recurrent_state(state.detach(), layer)


def wait(layer, start: Start, seq_len: int) -> None:
    """Note in the cache in which rows a start has met no token yet, as where a prompt is filled in piece by piece."""
    layer.waiting = None
    if start.first is not None:
        waiting = start.first == seq_len
        layer.waiting = waiting if bool(waiting.any()) else None


def first_waited_for(layer, mask: Tensor | None) -> Tensor | None:
    """Position of the token that a start in the cache still waits for in each row; None where it has met one in all."""
    waiting = getattr(layer, "waiting", None)
    if waiting is None or mask is None:
        return None
    return torch.where(waiting, first_token(mask), 0)
