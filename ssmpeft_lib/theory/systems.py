"""Diagonal state space systems in float64, the objects that the paper's statements are about.

Symbols follow the paper: A, B, C are the discretised diagonal transition, input and output vectors of a channel,
H states a channel, D channels, N steps. Arrays end in [..., H] for parameters and [..., N] for sequences; the
leading axis, where there is one, is the channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray


@dataclass(frozen=True)
class System:
    """h_n = A h_(n-1) + B x_n, y_n = C h_n for each channel (eq. (2)); A, B, C of shape [H] or [D, H]."""

    A: ndarray
    B: ndarray
    C: ndarray

    @classmethod
    def random(cls, rng: np.random.Generator, *shape: int) -> System:
        """Stable, with distinct A in (0.2, 0.95) and no zero entry, as the paper assumes."""
        return cls(rng.uniform(0.2, 0.95, shape), rng.normal(size=shape), rng.normal(size=shape))

    def run(self, x: ndarray, initial_state: ndarray | float = 0.0) -> tuple[ndarray, ndarray]:
        """Outputs [..., N] and the state after the last step [..., H], by the recurrence."""
        state = np.zeros_like(self.A) + initial_state
        y = np.empty_like(x, dtype=float)
        for n in range(x.shape[-1]):
            state = self.A * state + self.B * x[..., n, None]
            y[..., n] = (self.C * state).sum(-1)
        return y, state

    def kernel(self, seq_len: int, as_printed: bool = False) -> ndarray:
        """C A^l B for lags l = 0 .. N-1 (eq. (3)); `as_printed` has the exponent m - n of Sec. 5.1, that is -l."""
        lags = np.arange(seq_len) * (-1 if as_printed else 1)
        return ((self.C * self.B)[..., None] * self.A[..., None] ** lags).sum(-2)


def convolve(x: ndarray, kernel: ndarray) -> ndarray:
    """Causal convolution of one channel: y_n = sum over m <= n of kernel_(n-m) x_m."""
    return np.convolve(x, kernel)[: x.shape[-1]]


def discretize(A: ndarray, B: ndarray, step: ndarray | float, method: str) -> tuple[ndarray, ndarray]:
    """A_bar and B_bar of the continuous A and B by zero-order hold (`zoh`) or `bilinear` (eq. (17)).

    Raises:
        ValueError: another method.
    """
    if method == "zoh":
        return np.exp(step * A), np.expm1(step * A) / A * B
    if method == "bilinear":
        return (1 + step * A / 2) / (1 - step * A / 2), step * B / (1 - step * A / 2)
    raise ValueError(f"discretize: method {method!r} is neither 'zoh' nor 'bilinear'")


def largest(difference: ndarray) -> float:
    """Largest absolute entry: the error measure of every check."""
    return float(np.abs(difference).max())
