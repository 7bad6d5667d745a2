"""The reference of the selective scan: the recurrence that defines it, differentiated by autograd."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops._layout import accumulation_dtype, in_layout_of


def selective_scan(
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state, starts=None
) -> tuple[Tensor, Tensor]:
    """h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t, y_t = C_t h_t + D u_t (Gu and Dao, 2023, Eq. 2)."""
    storage, compute = u.dtype, accumulation_dtype(u.dtype)
    u, delta, B, C = (tensor.to(compute) for tensor in (u, delta, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = F.softplus(delta)
    batch, d_inner, seq_len = u.shape
    state = u.new_zeros(1, *A.shape) if initial_state is None else initial_state
    initial = state = state.expand(batch, -1, -1)
    columns = [u.new_empty(batch, d_inner, 0)]
    for t in range(seq_len):
        step = delta[:, :, t, None]
        if starts is not None:
            state = torch.where(starts[:, t, None, None], initial, state)
        state = torch.exp(step * A) * state + step * u[:, :, t, None] * B[:, None, :, t]
        columns.append((state * C[:, None, :, t]).sum(-1, keepdim=True))
    y = torch.cat(columns, dim=-1)
    if D is not None:
        y = y + u * D[:, None]
    if z is not None:
        y = y * F.silu(z.to(compute))
    return in_layout_of(y.to(storage), u), state
