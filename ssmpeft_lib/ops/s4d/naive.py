"""The reference of S4D's kernel and convolution: the sums that define them, differentiated by autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from ssmpeft_lib.ops._layout import accumulation_dtype


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
