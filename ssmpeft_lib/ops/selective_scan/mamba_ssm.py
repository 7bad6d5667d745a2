"""The selective scan of the authors of Mamba on CUDA (`mamba_ssm`).

It knows no initial state, so that part of the output is added from its closed form; and it ignores the gradient of the
last state, which is an error here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ssmpeft_lib.ops._layout import in_layout_of


def selective_scan(
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state, starts=None
) -> tuple[Tensor, Tensor]:
    """Selective scan; an initial state costs one more pass over the sequence for each state."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    y, last_state = selective_scan_fn(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state=True)
    last_state = last_state.detach()
    if initial_state is not None:
        steps = delta.float() if delta_bias is None else delta.float() + delta_bias[:, None]
        since_start = (F.softplus(steps) if delta_softplus else steps).cumsum(-1)
        carried = _carried(since_start, A, C, initial_state)
        y = (y + (carried if z is None else carried * F.silu(z.float()))).to(u.dtype)
        last_state = last_state + (torch.exp(since_start[..., -1:] * A) * initial_state).detach()
    return in_layout_of(y, u), _NoGradient.apply(last_state, u)


def _carried(since_start: Tensor, A: Tensor, C: Tensor, initial_state: Tensor) -> Tensor:
    """What is left of the initial state: sum over n of C_t[n] exp(A[n] (delta_1 + ... + delta_t)) h_0[n]."""

    def of_state(n: int) -> Tensor:
        return torch.exp(since_start * A[:, n, None]) * initial_state[:, :, n, None] * C[:, None, n].float()

    # recomputed in the backward, as the states together would need as much memory as all of them at every step
    return sum(checkpoint(of_state, n, use_reentrant=False) for n in range(A.shape[1]))


class _NoGradient(torch.autograd.Function):
    """The last state as a value that autograd may pass through, but not back."""

    @staticmethod
    def forward(ctx, last_state, u):
        return last_state.clone()

    @staticmethod
    def backward(ctx, grad):
        raise RuntimeError("mamba_ssm computes no gradient of the scan's last state; pass backend='triton' or 'torch'")
