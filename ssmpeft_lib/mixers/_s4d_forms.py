"""Two ways besides convolution to run diagonal systems: a loop over the steps, and a parallel prefix sum."""

from __future__ import annotations

import torch
from torch import Tensor


def read_out(states: Tensor, C: Tensor) -> Tensor:
    """C h summed over the states; twice the real part for complex states, each of which stands for two."""
    products = C * states
    return 2 * products.real.sum(-1) if products.is_complex() else products.sum(-1)


def recurrence(driven: Tensor, log_A_bar: Tensor) -> Tensor:
    """States h_n = A_bar h_(n-1) + driven_n by a loop over the steps, [batch, seq_len, d_model, d_state]."""
    A_bar = torch.exp(log_A_bar)
    states = [driven[..., 0, :, :]]
    for step in range(1, driven.shape[-3]):
        states.append(A_bar * states[-1] + driven[..., step, :, :])
    return torch.stack(states, dim=-3)


def prefix_scan(driven: Tensor, log_A_bar: Tensor) -> Tensor:
    """The states of `recurrence` in log2(seq_len) parallel passes: pass k adds the state 2^k steps back."""
    shift = 1
    while shift < driven.shape[-3]:
        carried = torch.exp(shift * log_A_bar) * driven[..., :-shift, :, :]
        driven = torch.cat([driven[..., :shift, :, :], driven[..., shift:, :, :] + carried], dim=-3)
        shift *= 2
    return driven
