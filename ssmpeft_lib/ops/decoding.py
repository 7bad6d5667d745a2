"""One step of each recurrence, for decoding: in place on the state, without gradients.

All of them take a state that a scan returned and go on where it stopped.
"""

from __future__ import annotations

from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops.ssd import step_sizes


@torch.no_grad()
def selective_state_step(
    state: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> Tensor:
    """One step of `selective_scan`.

    Args:
        state: shape [batch, d_inner, d_state], updated in place.
        u, delta, z: shape [batch, d_inner].
        A: shape [d_inner, d_state].
        B, C: shape [batch, d_state].
        D, delta_bias: shape [d_inner].
        delta_softplus: whether to apply softplus to `delta + delta_bias`.
    Returns:
        y of the shape and type of `u`.
    """
    storage, compute = u.dtype, state.dtype
    u, delta, B, C = (tensor.to(compute) for tensor in (u, delta, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias
    if delta_softplus:
        delta = F.softplus(delta)
    state.mul_(torch.exp_(delta.unsqueeze(-1) * A)).addcmul_((delta * u).unsqueeze(-1), B.unsqueeze(1))
    y = torch.matmul(state, C.unsqueeze(-1)).squeeze(-1)
    if D is not None:
        y = torch.addcmul(y, u, D.to(compute))
    if z is not None:
        y = y * F.silu(z.to(compute))
    return y.to(storage)


@torch.no_grad()
def causal_conv1d_step(
    columns: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str | None = "silu"
) -> Tensor:
    """One step of `causal_conv1d`.

    Args:
        columns: the last `width - 1` inputs, oldest first, shape [batch, d_inner, width - 1]; updated in place.
        x: the present input, shape [batch, d_inner].
        weight: shape [d_inner, width].
        bias: shape [d_inner].
        activation: `silu` or None.
    Returns:
        y of the shape and type of `x`.
    """
    inputs = torch.cat([columns, x.unsqueeze(-1).to(columns.dtype)], dim=-1)
    columns.copy_(inputs[:, :, 1:])
    y = (inputs * weight).sum(-1)
    if bias is not None:
        y = y + bias
    return (F.silu(y) if activation == "silu" else y).to(x.dtype)


@torch.no_grad()
def ssd_state_step(
    state: Tensor,
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    delta_limit: tuple[float, float] = (0.0, inf),
) -> Tensor:
    """One step of `ssd_scan`.

    Args:
        state: shape [batch, heads, head_dim, d_state], updated in place.
        x: shape [batch, heads, head_dim].
        delta: shape [batch, heads].
        A, D, delta_bias: shape [heads].
        B, C: shape [batch, groups, d_state].
        delta_softplus, delta_limit: as for `ssd_scan`.
    Returns:
        y of the shape and type of `x`.
    """
    storage, compute = x.dtype, state.dtype
    x, delta, B, C = (tensor.to(compute) for tensor in (x, delta, B, C))
    delta = step_sizes(delta, delta_bias, delta_softplus, delta_limit)
    heads_per_group = x.shape[1] // B.shape[1]
    B, C = (tensor.repeat_interleave(heads_per_group, dim=1) for tensor in (B, C))
    state.mul_(torch.exp(delta * A)[..., None, None]).addcmul_((delta.unsqueeze(-1) * x).unsqueeze(-1), B.unsqueeze(2))
    y = torch.matmul(state, C.unsqueeze(-1)).squeeze(-1)
    if D is not None:
        y = torch.addcmul(y, x, D.to(compute)[:, None])
    return y.to(storage)


@torch.no_grad()
def s4d_step(state: Tensor, u: Tensor, A_bar: Tensor, B_bar: Tensor, C: Tensor, D: Tensor | None = None) -> Tensor:
    """One step of an S4D layer, equal to the convolution with `s4d_kernel(log A_bar, C B_bar, seq_len)`.

    Args:
        state: real or complex, shape [batch, channels, d_state], updated in place.
        u: shape [batch, channels].
        A_bar, B_bar, C: the discretised layer, shape [channels, d_state]; complex states stand for conjugate pairs.
        D: shape [channels].
    Returns:
        y of the shape and type of `u`.
    """
    state.mul_(A_bar).addcmul_(B_bar.expand_as(state), u.to(state.real.dtype).unsqueeze(-1).to(state.dtype))
    y = (state * C).sum(-1)
    y = 2 * y.real if state.is_complex() else y
    if D is not None:
        y = y + u * D
    return y.to(u.dtype)
