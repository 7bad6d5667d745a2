"""The reference forms: each op as the recurrence or sum that defines it, differentiated by autograd."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops.checks import accumulation_dtype, in_layout_of


def selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state) -> tuple[Tensor, Tensor]:
    """h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t, y_t = C_t h_t + D u_t (Gu and Dao, 2023, Eq. 2)."""
    storage, compute = u.dtype, accumulation_dtype(u.dtype)
    u, delta, B, C = (tensor.to(compute) for tensor in (u, delta, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = F.softplus(delta)
    batch, d_inner, seq_len = u.shape
    state = u.new_zeros(1, *A.shape) if initial_state is None else initial_state
    state = state.expand(batch, -1, -1)
    columns = [u.new_empty(batch, d_inner, 0)]
    for t in range(seq_len):
        step = delta[:, :, t, None]
        state = torch.exp(step * A) * state + step * u[:, :, t, None] * B[:, None, :, t]
        columns.append((state * C[:, None, :, t]).sum(-1, keepdim=True))
    y = torch.cat(columns, dim=-1)
    if D is not None:
        y = y + u * D[:, None]
    if z is not None:
        y = y * F.silu(z.to(compute))
    return in_layout_of(y.to(storage), u), state


def causal_conv1d(x, weight, bias, activation, initial_columns) -> Tensor:
    """Depthwise convolution over the present and the `width - 1` inputs before it."""
    compute = accumulation_dtype(x.dtype)
    width = weight.shape[1]
    if initial_columns is None:
        before = x.new_zeros(x.shape[0], x.shape[1], width - 1)
    else:
        before = initial_columns.expand(x.shape[0], -1, -1)
    padded = torch.cat([before, x], dim=-1).to(compute)
    y = F.conv1d(padded, weight[:, None], bias, groups=weight.shape[0])
    return in_layout_of((F.silu(y) if activation == "silu" else y).to(x.dtype), x)


def ssd_scan(x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state) -> tuple[Tensor, Tensor]:
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
    state = state.expand(batch, -1, -1, -1)
    rows = [x.new_empty(batch, 0, heads, head_dim)]
    for t in range(seq_len):
        decay = torch.exp(delta[:, t] * A)[..., None, None]
        state = decay * state + (delta[:, t, :, None] * x[:, t])[..., None] * B[:, t, :, None]
        rows.append((state * C[:, t, :, None]).sum(-1)[:, None])
    y = torch.cat(rows, dim=1)
    if D is not None:
        y = y + x * D[:, None]
    return y.to(storage), state


def s4d_kernel(log_A_bar: Tensor, C_bar: Tensor, seq_len: int) -> Tensor:
    """kernel[l] = sum over states of C_bar exp(log_A_bar l); twice the real part where the states are complex."""
    steps = torch.arange(seq_len, device=C_bar.device, dtype=C_bar.real.dtype)
    kernel = torch.einsum("hn,hnl->hl", C_bar, torch.exp(log_A_bar[..., None] * steps))
    return 2 * kernel.real if C_bar.is_complex() else kernel


def fft_conv(u: Tensor, kernel: Tensor, D: Tensor | None) -> Tensor:
    """y[t] = sum over s <= t of kernel[t - s] u[s], plus D u, as a product with the Toeplitz matrix of the kernel."""
    seq_len = u.shape[-1]
    compute = accumulation_dtype(u.dtype)
    steps = torch.arange(seq_len, device=u.device)
    lag = steps[:, None] - steps
    toeplitz = torch.where(lag >= 0, kernel[:, lag.clamp(min=0)], 0.0)
    y = torch.einsum("hts,bhs->bht", toeplitz.to(compute), u.to(compute))
    if D is not None:
        y = y + u.to(compute) * D[:, None]
    return y.to(u.dtype)
