"""The CUDA backend of the authors of Mamba: `mamba_ssm` and `causal_conv1d`, where they are installed.

Their Mamba-1 scan knows no initial state, so its part of the output is added from its closed form; and it ignores the
gradient of the last state, which is an error here.
"""

from __future__ import annotations

import importlib.util

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ssmpeft_lib.ops import torch_loop
from ssmpeft_lib.ops.checks import accumulation_dtype, cast, in_layout_of

MODULES = {"selective_scan": "selective_scan_cuda", "causal_conv1d": "causal_conv1d_cuda", "ssd_scan": "mamba_ssm"}
"""The module that each op needs; builds of mamba_ssm without `MAMBA_KEEP_CUDA_BUILD=TRUE` lack the first."""

WIDTHS = (2, 3, 4)
"""Widths that the kernel of the convolution covers; others run on the torch loop."""


def obstacle(op: str) -> str:
    """Why this backend cannot run `op` here; empty where it can."""
    if not torch.cuda.is_available():
        return "there is no CUDA device"
    module = MODULES[op]
    return "" if importlib.util.find_spec(module) else f"the module {module} is not installed"


def selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state) -> tuple[Tensor, Tensor]:
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


def causal_conv1d(x, weight, bias, activation, initial_columns) -> Tensor:
    """Convolution and activation; initial columns need the transposed layout."""
    if weight.shape[1] not in WIDTHS:
        return torch_loop.causal_conv1d(x, weight, bias, activation, initial_columns)
    from causal_conv1d import causal_conv1d_fn

    if initial_columns is None:
        return in_layout_of(causal_conv1d_fn(x, weight, bias, activation=activation), x)
    columns = initial_columns.expand(x.shape[0], -1, -1)
    x_transposed, columns = (tensor.transpose(1, 2).contiguous().transpose(1, 2) for tensor in (x, columns))
    y = causal_conv1d_fn(x_transposed, weight, bias, initial_states=columns, activation=activation)
    return in_layout_of(y, x)


def ssd_scan(x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state, chunk):
    """Mamba-2's chunked scan in Triton."""
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    if initial_state is not None:
        initial_state = initial_state.expand(x.shape[0], -1, -1, -1)
    y, last_state = mamba_chunk_scan_combined(
        x,
        delta,
        A,
        B,
        C,
        chunk,
        D=D,
        dt_bias=delta_bias,
        initial_states=initial_state,
        dt_softplus=delta_softplus,
        dt_limit=delta_limit,
        return_final_states=True,
    )
    return y, cast(last_state, accumulation_dtype(x.dtype))
