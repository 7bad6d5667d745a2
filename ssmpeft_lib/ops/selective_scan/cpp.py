"""The selective scan on the C++ kernels."""

from __future__ import annotations

import ctypes

from torch import Tensor

from ssmpeft_lib.ops._cpp.arguments import CHUNK, NONE, STORAGE_TYPES, ScanArguments, dense, pointer, strided, threads
from ssmpeft_lib.ops._cpp.build import VECTOR_BYTES, library, target
from ssmpeft_lib.ops.selective_scan._fused import empty_gradients, fused_scan


def _scan_arguments(u, delta, A, B, C, D, z, delta_bias, initial_state, starts, checkpoints, softplus) -> ScanArguments:
    (batch, channels, steps), states = u.shape, A.shape[1]
    shared = initial_state is None or initial_state.shape[0] != batch
    arguments = ScanArguments(
        batch,
        channels,
        steps,
        states,
        threads(batch * channels * steps * states),
        softplus,
        0 if shared else channels * states,
        strided(u),
        strided(delta),
        strided(z),
        strided(B),
        strided(C),
        NONE,
        pointer(A),
        pointer(D),
        pointer(delta_bias),
        pointer(initial_state),
        None,
        pointer(checkpoints),
    )
    arguments.starts = pointer(starts)
    return arguments


def _checkpoints(u: Tensor, A: Tensor, keep: bool) -> Tensor:
    """Room for the state before each chunk, [batch, blocks, chunks, d_state, lanes]."""
    if not keep:
        return A.new_empty(0)
    (batch, channels, steps), states = u.shape, A.shape[1]
    lanes = VECTOR_BYTES[target()] // A.itemsize
    return A.new_empty(batch, -(-channels // lanes), -(-steps // CHUNK), states, lanes)


def _forward(
    u, delta, A, B, C, D, z, delta_bias, initial_state, starts, softplus, keep, out, last_state, checkpoints
) -> None:
    A, D, delta_bias, initial_state, starts = map(dense, (A, D, delta_bias, initial_state, starts))
    arguments = _scan_arguments(
        u, delta, A, B, C, D, z, delta_bias, initial_state, starts, checkpoints if keep else None, softplus
    )
    arguments.out = strided(out)
    arguments.last = last_state.data_ptr()
    library().selective_scan_forward(ctypes.byref(arguments), STORAGE_TYPES[u.dtype])


def _backward(
    grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, starts, checkpoints, softplus
) -> tuple[Tensor, ...]:
    grads = empty_gradients(
        grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, starts, checkpoints, softplus
    )
    grad_u, grad_delta, grad_A, grad_B, grad_C, grad_D, grad_z, grad_bias, grad_initial = grads
    A, D, delta_bias, initial_state, starts, grad_last = map(
        dense, (A, D, delta_bias, initial_state, starts, grad_last)
    )
    arguments = _scan_arguments(u, delta, A, B, C, D, z, delta_bias, initial_state, starts, checkpoints, softplus)
    arguments.grad_out = strided(grad_out)
    arguments.grad_u = strided(grad_u)
    arguments.grad_delta = strided(grad_delta)
    arguments.grad_B = strided(grad_B)
    arguments.grad_C = strided(grad_C)
    arguments.grad_last = pointer(grad_last)
    arguments.grad_A = grad_A.data_ptr()
    if z is not None:
        arguments.grad_z = strided(grad_z)
    if D is not None:
        arguments.grad_D = grad_D.data_ptr()
    if delta_bias is not None:
        arguments.grad_bias = grad_bias.data_ptr()
    if initial_state is not None:
        arguments.grad_initial = grad_initial.data_ptr()
    library().selective_scan_backward(ctypes.byref(arguments), STORAGE_TYPES[u.dtype])
    return grads


selective_scan = fused_scan("cpp", _forward, _backward, _checkpoints)
