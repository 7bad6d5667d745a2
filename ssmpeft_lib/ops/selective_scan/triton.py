"""The selective scan on Triton: CUDA without a CUDA build, and any processor through Triton's interpreter, for tests.

`TRITON_INTERPRET=1`, set before the first use, runs the kernels in Python; then this backend takes tensors on a CPU.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from ssmpeft_lib.ops._layout import in_layout_of
from ssmpeft_lib.ops.selective_scan._fused import empty_gradients, fused_scan

CHANNELS, STEPS = 16, 16
"""Sizes of the tiles: the kept states, and the partial gradients of B and C, are as large as the input times
d_state / 16 each."""

FORWARD_WARPS, BACKWARD_WARPS = 4, 8
"""Warps of a program: with fewer, the compiled backward spills registers."""


def _sizes(u: Tensor, A: Tensor) -> tuple[int, int, int, int]:
    """Channels, steps, states and chunks."""
    return u.shape[1], u.shape[2], A.shape[1], -(-u.shape[2] // STEPS)


def _strides(*tensors: Tensor | None) -> list[int]:
    """Strides of batch, channel and step; an argument that is not given, or not wanted, has none."""
    return [s for tensor in tensors for s in ((0, 0, 0) if tensor is None or tensor.dim() != 3 else tensor.stride())]


def _options(D, z, delta_bias, softplus: bool, states: int) -> dict:
    return {
        "HAS_D": D is not None,
        "HAS_Z": z is not None,
        "HAS_BIAS": delta_bias is not None,
        "SOFTPLUS": softplus,
        "CHANNELS": CHANNELS,
        "STEPS": STEPS,
        "STATES": max(2, 1 << (states - 1).bit_length()),
    }


def _dense(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _on_device_of(u: Tensor) -> AbstractContextManager:
    """Triton launches on the current device, which need not be that of the layer."""
    return torch.cuda.device(u.device) if u.is_cuda else nullcontext()


def _blocks(u: Tensor) -> tuple[int, int]:
    """Programs: sequences, and blocks of channels."""
    return u.shape[0], -(-u.shape[1] // CHANNELS)


def _checkpoints(u: Tensor, A: Tensor, keep: bool) -> Tensor:
    """Room for the state before each chunk, [batch, chunks, channels, states]."""
    channels, _, states, chunks = _sizes(u, A)
    return A.new_empty(len(u), chunks, channels, states) if keep else A.new_empty(0)


def _forward(
    u, delta, A, B, C, D, z, delta_bias, initial_state, starts, softplus, keep, out, last_state, checkpoints
) -> None:
    from ssmpeft_lib.ops.selective_scan import _triton_kernels

    A, D, delta_bias, initial_state = map(_dense, (A, D, delta_bias, initial_state))
    sizes = channels, _, states, _ = _sizes(u, A)
    if 0 in _blocks(u):
        return
    with _on_device_of(u):
        _triton_kernels.forward[_blocks(u)](
            *(u, delta, z, B, C, A, D, delta_bias, initial_state, out, last_state, checkpoints),
            *sizes,
            0 if initial_state is None or len(initial_state) != len(u) else channels * states,
            *_strides(u, delta, z, B, C, out),
            HAS_INITIAL=initial_state is not None,
            KEEP=keep,
            num_warps=FORWARD_WARPS,
            **_options(D, z, delta_bias, softplus, states),
        )


def _backward(
    grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, starts, checkpoints, softplus
) -> tuple[Tensor, ...]:
    from ssmpeft_lib.ops.selective_scan import _triton_kernels

    inputs = (grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, starts, checkpoints, softplus)
    grad_u, grad_delta, *_, grad_z, _, _ = empty_gradients(*inputs)
    A, D, delta_bias, grad_last = map(_dense, (A, D, delta_bias, grad_last))
    sizes = channels, steps, states, _ = _sizes(u, A)
    batch, blocks = _blocks(u)
    grad_B, grad_C = (A.new_empty(batch, blocks, steps, states) for _ in range(2))
    grad_A, grad_initial = (A.new_empty(batch, channels, states) for _ in range(2))
    grad_D, grad_bias = (A.new_empty(batch, channels) for _ in range(2))
    if batch and blocks:
        with _on_device_of(u):
            _triton_kernels.backward[batch, blocks](
                *(grad_out, grad_last, u, delta, z, B, C, A, D, delta_bias, checkpoints),
                *(grad_u, grad_delta, grad_z, grad_B, grad_C, grad_A, grad_D, grad_bias, grad_initial),
                *sizes,
                *_strides(grad_out, u, delta, z, B, C, grad_u, grad_delta, grad_z),
                HAS_LAST=grad_last is not None,
                num_warps=BACKWARD_WARPS,
                **_options(D, z, delta_bias, softplus, states),
            )
    none = A.new_empty(0)
    if initial_state is not None and len(initial_state) != batch:
        grad_initial = grad_initial.sum(0, keepdim=True)
    return (
        grad_u,
        grad_delta,
        grad_A.sum(0),
        *(in_layout_of(grad.sum(1).to(B.dtype).transpose(1, 2), maps) for grad, maps in ((grad_B, B), (grad_C, C))),
        none if D is None else grad_D.sum(0),
        grad_z,
        none if delta_bias is None else grad_bias.sum(0),
        none if initial_state is None else grad_initial,
    )


selective_scan = fused_scan("triton", _forward, _backward, _checkpoints)
