"""S4D layers: discretisation, the convolution kernel of a diagonal state space, and the convolution with it."""

from __future__ import annotations

import torch
from torch import Tensor

from ssmpeft_lib.ops._dispatch import pick_backend
from ssmpeft_lib.ops._layout import accumulation_dtype, check_floating
from ssmpeft_lib.ops.s4d import naive
from ssmpeft_lib.ops.s4d._geometric import GeometricSum


def discretize(A: Tensor, delta: Tensor, rule: str = "zoh") -> tuple[Tensor, Tensor]:
    """Discretise a diagonal state space: x' = A x + u becomes x_t = A_bar x_{t-1} + B_bar u_t.

    Args:
        A: real or complex, shape [channels, d_state].
        delta: step sizes, shape [channels] or one that broadcasts against A's.
        rule: `zoh` (zero-order hold) or `bilinear`.
    Returns:
        log A_bar and B_bar for B = 1, of A's shape. The logarithm is what `s4d_kernel` takes; A_bar is its exp.
    Raises:
        ValueError: another rule.
    Source:
        Gu, Gupta, Goel and Re (2022), "On the Parameterization and Initialization of Diagonal State Space Models".
    """
    if rule not in ("zoh", "bilinear"):
        raise ValueError(f"discretize: rule is {rule!r}, expected 'zoh' or 'bilinear'")
    if delta.dim() == 1:
        delta = delta[:, None]
    scaled = A * delta
    if rule == "zoh":
        return scaled, (torch.expm1(scaled) if not scaled.is_complex() else torch.exp(scaled) - 1) / A
    return torch.log((1 + scaled / 2) / (1 - scaled / 2)), delta / (1 - scaled / 2)


def s4d_kernel(log_A_bar: Tensor, C_bar: Tensor, seq_len: int, backend: str = "auto") -> Tensor:
    """Convolution kernel: kernel[l] = sum over n of C_bar[n] A_bar[n]^l, twice its real part for complex states.

    Args:
        log_A_bar: logarithm of the discretised state matrix, shape [channels, d_state].
        C_bar: C times the discretised B, shape [channels, d_state].
        seq_len: length of the kernel.
        backend: `auto`, `torch` (blocked) or `naive`.
    Returns:
        Real kernel, shape [channels, seq_len].
    Raises:
        ValueError: shapes that differ, or a backend that does not fit.
    """
    if log_A_bar.shape != C_bar.shape or C_bar.dim() != 2:
        raise ValueError(
            f"s4d_kernel: log_A_bar and C_bar have shapes {tuple(log_A_bar.shape)} and {tuple(C_bar.shape)},"
            " expected both to be (channels, d_state)"
        )
    run = pick_backend("s4d_kernel", KERNEL_BACKENDS, backend, C_bar.device, C_bar.dtype)
    return run(log_A_bar, C_bar, seq_len)


def _blocked_kernel(log_A_bar: Tensor, C_bar: Tensor, seq_len: int) -> Tensor:
    kernel = GeometricSum.apply(C_bar, log_A_bar, seq_len)[0]
    return 2 * kernel if C_bar.is_complex() else kernel


def fft_conv(u: Tensor, kernel: Tensor, D: Tensor | None = None, backend: str = "auto") -> Tensor:
    """Causal convolution along the sequence: y[t] = sum over s <= t of kernel[t - s] u[s], plus D u.

    Args:
        u: shape [batch, channels, seq_len].
        kernel: shape [channels, seq_len].
        D: weight of the skip connection, shape [channels].
        backend: `auto`, `torch` (FFT) or `naive`.
    Returns:
        y of the shape and type of `u`.
    Raises:
        TypeError, ValueError: a shape, type or backend that does not fit.
    """
    check_floating("fft_conv", "u", u, "(batch, channels, seq_len)")
    if kernel.shape != u.shape[1:]:
        raise ValueError(
            f"fft_conv: kernel has shape {tuple(kernel.shape)}, expected (channels, seq_len) = {tuple(u.shape[1:])}"
        )
    return pick_backend("fft_conv", CONV_BACKENDS, backend, u.device, u.dtype)(u, kernel, D)


def _fft_conv(u: Tensor, kernel: Tensor, D: Tensor | None) -> Tensor:
    compute = accumulation_dtype(u.dtype)
    seq_len = u.shape[-1]
    length = fast_length(2 * seq_len - 1)
    product = torch.fft.rfft(u.to(compute), n=length) * torch.fft.rfft(kernel.to(compute), n=length)
    y = torch.fft.irfft(product, n=length)[..., :seq_len]
    if D is not None:
        y = torch.addcmul(y, u.to(compute), D.to(compute)[:, None])
    return y.to(u.dtype)


def fast_length(minimum: int) -> int:
    """Smallest even product of powers of 2, 3 and 5 that is at least `minimum`: lengths that FFTs are fast at."""
    candidates = (
        twos * threes * fives
        for fives in _powers(5, minimum)
        for threes in _powers(3, minimum)
        for twos in [1 << max(1, (-(-minimum // (threes * fives)) - 1).bit_length())]
    )
    return min(candidates)


def _powers(base: int, limit: int) -> list[int]:
    powers = [1]
    while powers[-1] < limit:
        powers.append(powers[-1] * base)
    return powers


KERNEL_BACKENDS = {"torch": _blocked_kernel, "naive": naive.s4d_kernel}
CONV_BACKENDS = {"torch": _fft_conv, "naive": naive.fft_conv}


@torch.no_grad()
def s4d_step(state: Tensor, u: Tensor, A_bar: Tensor, B_bar: Tensor, C: Tensor, D: Tensor | None = None) -> Tensor:
    """One step of an S4D layer, equal to the convolution with `s4d_kernel(log A_bar, C B_bar, seq_len)`.

    Args:
        state: real or complex, shape [batch, channels, d_state], zero before the first step; updated in place.
        u: shape [batch, channels].
        A_bar, B_bar, C: the discretised layer, shape [channels, d_state]; complex states stand for conjugate pairs.
        D: shape [channels].
    Returns:
        y of the shape and type of `u`.
    """
    state.mul_(A_bar).addcmul_(B_bar.expand_as(state), u.to(state.dtype).unsqueeze(-1))
    y = (state * C).sum(-1)
    y = 2 * y.real if state.is_complex() else y
    if D is not None:
        y = torch.addcmul(y, u.to(y.dtype), D.to(y.dtype))
    return y.to(u.dtype)
