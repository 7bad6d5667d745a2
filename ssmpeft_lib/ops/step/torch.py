"""Single steps of decoding in plain torch, on any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops._layout import cast


def selective_state_step(state, u, delta, A, B, C, D, z, delta_bias, delta_softplus) -> Tensor:
    """One step of the scan, in place on `state`."""
    storage, compute = u.dtype, state.dtype
    u, delta, B, C = (cast(tensor, compute) for tensor in (u, delta, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias
    if delta_softplus:
        delta = F.softplus(delta)
    state.mul_(torch.exp_(delta.unsqueeze(-1) * A)).addcmul_((delta * u).unsqueeze(-1), B.unsqueeze(1))
    y = torch.matmul(state, C.unsqueeze(-1)).squeeze(-1)
    if D is not None:
        y = torch.addcmul(y, u, D)
    if z is not None:
        y = y * F.silu(cast(z, compute))
    return cast(y, storage)


def causal_conv1d_step(columns, x, weight, bias, activation) -> Tensor:
    """One step of the convolution, in place on `columns`."""
    inputs = torch.cat([columns, x.unsqueeze(-1)], dim=-1)
    columns.copy_(inputs[:, :, 1:])
    y = (cast(inputs, weight.dtype) * weight).sum(-1)
    if bias is not None:
        y = y + bias
    return cast(F.silu(y) if activation == "silu" else y, x.dtype)


def ssd_state_step(state, x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit) -> Tensor:
    """One step of the Mamba-2 scan, in place on `state`."""
    storage, compute = x.dtype, state.dtype
    x, delta, B, C = (cast(tensor, compute) for tensor in (x, delta, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias
    if delta_softplus:
        delta = F.softplus(delta)
    delta = delta.clamp(*delta_limit)
    heads_per_group = x.shape[1] // B.shape[1]
    B, C = (tensor.repeat_interleave(heads_per_group, dim=1) for tensor in (B, C))
    state.mul_(torch.exp(delta * A)[..., None, None]).addcmul_((delta.unsqueeze(-1) * x).unsqueeze(-1), B.unsqueeze(2))
    y = torch.matmul(state, C.unsqueeze(-1)).squeeze(-1)
    if D is not None:
        y = torch.addcmul(y, x, D[:, None])
    return cast(y, storage)
