"""The selective scan on the C++ kernels."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from ssmpeft_lib.ops.checks import empty_in_layout_of
from ssmpeft_lib.ops.cpp.arguments import CHUNK, NONE, STORAGE_TYPES, ScanArguments, dense, pointer, strided, threads
from ssmpeft_lib.ops.cpp.build import VECTOR_BYTES, library, target
from ssmpeft_lib.ops.registration import differentiable, needs_gradient


def selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state) -> tuple[Tensor, Tensor]:
    """Selective scan with everything around it fused: bias, softplus, D and gate."""
    keep = needs_gradient(u, delta, A, B, C, D, z, delta_bias, initial_state)
    y, last_state, _ = _scan(u, delta, A, B, C, D, z, delta_bias, initial_state, delta_softplus, keep)
    return y, last_state


def _scan_arguments(u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints, softplus) -> ScanArguments:
    (batch, channels, steps), states = u.shape, A.shape[1]
    shared = initial_state is None or initial_state.shape[0] != batch
    return ScanArguments(
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


def _checkpoints(u: Tensor, A: Tensor, keep: bool) -> Tensor:
    """Room for the state before each chunk, [batch, blocks, chunks, d_state, lanes]."""
    if not keep:
        return A.new_empty(0)
    (batch, channels, steps), states = u.shape, A.shape[1]
    lanes = VECTOR_BYTES[target()] // A.itemsize
    return A.new_empty(batch, -(-channels // lanes), -(-steps // CHUNK), states, lanes)


def _scan_forward(u, delta, A, B, C, D, z, delta_bias, initial_state, softplus, keep):
    A, D, delta_bias, initial_state = (dense(tensor) for tensor in (A, D, delta_bias, initial_state))
    out, last_state, checkpoints = _fake_scan_forward(
        u, delta, A, B, C, D, z, delta_bias, initial_state, softplus, keep
    )
    arguments = _scan_arguments(
        u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints if keep else None, softplus
    )
    arguments.out = strided(out)
    arguments.last = last_state.data_ptr()
    library().selective_scan_forward(ctypes.byref(arguments), STORAGE_TYPES[u.dtype])
    return out, last_state, checkpoints


def _fake_scan_forward(u, delta, A, B, C, D, z, delta_bias, initial_state, softplus, keep):
    last_state = A.new_empty(u.shape[0], *A.shape)
    return empty_in_layout_of(u), last_state, _checkpoints(u, A, keep)


def _scan_backward(
    grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints, softplus
) -> tuple[Tensor, ...]:
    grads = _fake_scan_backward(
        grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints, softplus
    )
    grad_u, grad_delta, grad_A, grad_B, grad_C, grad_D, grad_z, grad_bias, grad_initial = grads
    A, D, delta_bias, initial_state, grad_last = map(dense, (A, D, delta_bias, initial_state, grad_last))
    arguments = _scan_arguments(u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints, softplus)
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


def _fake_scan_backward(grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints, softplus):
    # an op cannot return None, so the gradient of what was not given is empty
    def like(tensor):
        return A.new_empty(0) if tensor is None else A.new_empty(tensor.shape)

    return (
        empty_in_layout_of(u),
        empty_in_layout_of(delta),
        A.new_empty(A.shape),
        empty_in_layout_of(B),
        empty_in_layout_of(C),
        like(D),
        A.new_empty(0) if z is None else empty_in_layout_of(z),
        like(delta_bias),
        like(initial_state),
    )


def _save_scan(ctx, inputs, output) -> None:
    *tensors, softplus, _ = inputs
    ctx.save_for_backward(*tensors, output[2])
    ctx.softplus = softplus
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)


def _scan_gradients(gradient_op, ctx, grad_out, grad_last, _):
    tensors = ctx.saved_tensors
    if grad_out is None:
        grad_out = torch.zeros_like(tensors[0])
    grads = gradient_op(grad_out, grad_last, *tensors, ctx.softplus)
    return *(grad if needed else None for grad, needed in zip(grads, ctx.needs_input_grad, strict=False)), None, None


_TENSORS = "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z, Tensor? delta_bias"

_scan = differentiable(
    f"scan_cpp({_TENSORS}, Tensor? initial_state, bool softplus, bool keep) -> (Tensor, Tensor, Tensor)",
    _scan_forward,
    _fake_scan_forward,
    _save_scan,
    _scan_gradients,
    gradient=(
        f"scan_cpp_backward(Tensor grad_out, Tensor? grad_last, {_TENSORS}, Tensor? initial_state, Tensor checkpoints,"
        f" bool softplus) -> ({', '.join(['Tensor'] * 9)})",
        _scan_backward,
        _fake_scan_backward,
    ),
)
