"""What a mixer writes into transformers' cache for the next token."""

from __future__ import annotations

import torch
from torch import Tensor


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
    cache.layers[layer].has_previous_state[0] = False
    cache.layers[layer].A = None
    cache.update_conv_state(x[..., -width:].detach(), layer, conv_kernel_size=width)
    cache.update_recurrent_state(state.detach(), layer)
