"""The reference of Mamba-2's scan: the recurrence that defines it, differentiated by autograd."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ssmpeft_lib.ops._layout import accumulation_dtype


def ssd_scan(x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state, chunk, starts=None):
    """The recurrence of Mamba-2, with one scalar decay a head (Dao and Gu, 2024, Eq. 2)."""
    storage, compute = x.dtype, accumulation_dtype(x.dtype)
    x, delta, B, C = (tensor.to(compute) for tensor in (x, delta, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias
    if delta_softplus:
        delta = F.softplus(delta)
    delta = delta.clamp(*delta_limit)
    batch, seq_len, heads, head_dim = x.shape
    B, C = (tensor.repeat_interleave(heads // tensor.shape[2], dim=2) for tensor in (B, C))
    state = x.new_zeros(1, heads, head_dim, B.shape[3]) if initial_state is None else initial_state
    initial = state = state.expand(batch, -1, -1, -1)
    rows = [x.new_empty(batch, 0, heads, head_dim)]
    for t in range(seq_len):
        if starts is not None:
            state = torch.where(starts[:, t, None, None, None], initial, state)
        decay = torch.exp(delta[:, t] * A)[..., None, None]
        state = decay * state + (delta[:, t, :, None] * x[:, t])[..., None] * B[:, t, :, None]
        rows.append((state * C[:, t, :, None]).sum(-1)[:, None])
    y = torch.cat(rows, dim=1)
    if D is not None:
        y = y + x * D[:, None]
    return y.to(storage), state
