"""The C++ backend: hands tensors to the kernels of `scan.cpp`, `conv.cpp` and `decoding.cpp` as pointers and strides.

The kernels share torch's OpenMP threads and use as many as `torch.get_num_threads()` says; their results are the same,
bit for bit, for any number. In a process forked off after that, OpenMP's threads are gone, so it uses one.
"""

from __future__ import annotations

import ctypes
import os

import torch
from torch import Tensor

from ssmpeft_lib.ops import build
from ssmpeft_lib.ops.checks import empty_in_layout_of
from ssmpeft_lib.ops.registration import differentiable, needs_gradient

STORAGE_TYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float64: 2}

CHUNK = 32
"""Steps between two states that are kept; the same number as in `tiles.h`."""

LEAST_PARALLEL = 1 << 15
"""Tasks with fewer elements than this run on one thread, since waking the others would take longer."""

_Tensor3 = ctypes.c_int64 * 4  # data, and the strides of batch, channel and step
_NONE = _Tensor3()


class _ScanArguments(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "channels", "steps", "states", "threads", "softplus")),
        ("initial_batch", ctypes.c_int64),
        *((name, _Tensor3) for name in ("u", "delta", "z", "B", "C", "out")),
        *((name, ctypes.c_void_p) for name in ("A", "D", "bias", "initial", "last", "checkpoints")),
        *((name, _Tensor3) for name in ("grad_out", "grad_u", "grad_delta", "grad_z", "grad_B", "grad_C")),
        *((name, ctypes.c_void_p) for name in ("grad_last", "grad_A", "grad_D", "grad_bias", "grad_initial")),
    ]


class _ConvArguments(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "channels", "steps", "width", "threads", "silu")),
        *((name, _Tensor3) for name in ("x", "initial", "out")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias")),
        *((name, _Tensor3) for name in ("grad_out", "grad_x")),
        *((name, ctypes.c_void_p) for name in ("grad_weight", "grad_bias", "grad_initial")),
    ]


class _SsdStepArguments(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "heads", "head_dim", "groups", "states", "threads", "softplus")),
        *((name, ctypes.c_double) for name in ("least_delta", "most_delta")),
        *((name, _Tensor3) for name in ("x", "delta", "B", "C", "out")),
        *((name, ctypes.c_void_p) for name in ("A", "D", "bias", "state")),
    ]


_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


os.register_at_fork(after_in_child=_after_fork)


def _threads(work: int) -> int:
    return 1 if _forked or work < LEAST_PARALLEL else torch.get_num_threads()


def _strided(tensor: Tensor | None) -> ctypes.Array:
    return _NONE if tensor is None else _Tensor3(tensor.data_ptr(), *tensor.stride())


def _pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _dense(tensor: Tensor | None) -> Tensor | None:
    return tensor if tensor is None or tensor.is_contiguous() else tensor.contiguous()


def selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state) -> tuple[Tensor, Tensor]:
    """Selective scan with everything around it fused: bias, softplus, D and gate."""
    keep = needs_gradient(u, delta, A, B, C, D, z, delta_bias, initial_state)
    y, last_state, _ = _scan(u, delta, A, B, C, D, z, delta_bias, initial_state, delta_softplus, keep)
    return y, last_state


def _scan_arguments(u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints, softplus) -> _ScanArguments:
    (batch, channels, steps), states = u.shape, A.shape[1]
    shared = initial_state is None or initial_state.shape[0] != batch
    return _ScanArguments(
        batch,
        channels,
        steps,
        states,
        _threads(batch * channels * steps * states),
        softplus,
        0 if shared else channels * states,
        _strided(u),
        _strided(delta),
        _strided(z),
        _strided(B),
        _strided(C),
        _NONE,
        _pointer(A),
        _pointer(D),
        _pointer(delta_bias),
        _pointer(initial_state),
        None,
        _pointer(checkpoints),
    )


def _checkpoints(u: Tensor, A: Tensor, keep: bool) -> Tensor:
    """Room for the state before each chunk; vectors of any width divide 16 channels."""
    if not keep:
        return A.new_empty(0)
    (batch, channels, steps), states = u.shape, A.shape[1]
    return A.new_empty(batch * (-(-channels // 16) * 16) * -(-steps // CHUNK) * states)


def _scan_forward(u, delta, A, B, C, D, z, delta_bias, initial_state, softplus, keep):
    A, D, delta_bias, initial_state = (_dense(tensor) for tensor in (A, D, delta_bias, initial_state))
    out, last_state, checkpoints = _fake_scan_forward(
        u, delta, A, B, C, D, z, delta_bias, initial_state, softplus, keep
    )
    arguments = _scan_arguments(
        u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints if keep else None, softplus
    )
    arguments.out = _strided(out)
    arguments.last = last_state.data_ptr()
    build.library().selective_scan_forward(ctypes.byref(arguments), STORAGE_TYPES[u.dtype])
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
    A, D, delta_bias, initial_state, grad_last = map(_dense, (A, D, delta_bias, initial_state, grad_last))
    arguments = _scan_arguments(u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints, softplus)
    arguments.grad_out = _strided(grad_out)
    arguments.grad_u = _strided(grad_u)
    arguments.grad_delta = _strided(grad_delta)
    arguments.grad_B = _strided(grad_B)
    arguments.grad_C = _strided(grad_C)
    arguments.grad_last = _pointer(grad_last)
    arguments.grad_A = grad_A.data_ptr()
    if z is not None:
        arguments.grad_z = _strided(grad_z)
    if D is not None:
        arguments.grad_D = grad_D.data_ptr()
    if delta_bias is not None:
        arguments.grad_bias = grad_bias.data_ptr()
    if initial_state is not None:
        arguments.grad_initial = grad_initial.data_ptr()
    build.library().selective_scan_backward(ctypes.byref(arguments), STORAGE_TYPES[u.dtype])
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


def causal_conv1d(x, weight, bias, activation, initial_columns) -> Tensor:
    """Convolution and activation in one pass over the input."""
    return _conv(x, weight, bias, initial_columns, activation == "silu")


def _conv_arguments(x, weight, bias, initial_columns, silu) -> _ConvArguments:
    (batch, channels, steps), width = x.shape, weight.shape[1]
    initial = _strided(initial_columns)
    if initial_columns is not None and initial_columns.shape[0] != batch:
        initial[1] = 0
    return _ConvArguments(
        batch,
        channels,
        steps,
        width,
        _threads(batch * channels * steps * width),
        silu,
        _strided(x),
        initial,
        _NONE,
        _pointer(weight),
        _pointer(bias),
    )


def _conv_forward(x, weight, bias, initial_columns, silu):
    weight, bias, initial_columns = map(_dense, (weight, bias, initial_columns))
    out = empty_in_layout_of(x)
    arguments = _conv_arguments(x, weight, bias, initial_columns, silu)
    arguments.out = _strided(out)
    build.library().causal_conv1d_forward(ctypes.byref(arguments), STORAGE_TYPES[x.dtype])
    return out


def _fake_conv_forward(x, weight, bias, initial_columns, silu):
    return empty_in_layout_of(x)


def _conv_backward(grad_out, x, weight, bias, initial_columns, silu):
    grads = _fake_conv_backward(grad_out, x, weight, bias, initial_columns, silu)
    grad_x, grad_weight, grad_bias, grad_initial = grads
    weight, bias, initial_columns = map(_dense, (weight, bias, initial_columns))
    arguments = _conv_arguments(x, weight, bias, initial_columns, silu)
    arguments.grad_out = _strided(grad_out)
    arguments.grad_x = _strided(grad_x)
    arguments.grad_weight = grad_weight.data_ptr()
    if bias is not None:
        arguments.grad_bias = grad_bias.data_ptr()
    if initial_columns is not None:
        arguments.grad_initial = grad_initial.data_ptr()
    build.library().causal_conv1d_backward(ctypes.byref(arguments), STORAGE_TYPES[x.dtype])
    return grads


def _fake_conv_backward(grad_out, x, weight, bias, initial_columns, silu):
    def like(tensor):
        return weight.new_empty(0) if tensor is None else weight.new_empty(tensor.shape)

    return empty_in_layout_of(x), like(weight), like(bias), like(initial_columns)


def _save_conv(ctx, inputs, output) -> None:
    *tensors, ctx.silu = inputs
    ctx.save_for_backward(*tensors)


def _conv_gradients(gradient_op, ctx, grad_out):
    x, weight, bias, initial_columns = ctx.saved_tensors
    grads = gradient_op(grad_out, x, weight, bias, initial_columns, ctx.silu)
    x, weight, bias, initial = (
        grad if needed else None for grad, needed in zip(grads, ctx.needs_input_grad, strict=False)
    )
    return x, weight, bias, None if initial is None else initial.to(initial_columns.dtype), None


_conv = differentiable(
    "conv_cpp(Tensor x, Tensor weight, Tensor? bias, Tensor? initial_columns, bool silu) -> Tensor",
    _conv_forward,
    _fake_conv_forward,
    _save_conv,
    _conv_gradients,
    gradient=(
        "conv_cpp_backward(Tensor grad_out, Tensor x, Tensor weight, Tensor? bias, Tensor? initial_columns, bool silu)"
        " -> (Tensor, Tensor, Tensor, Tensor)",
        _conv_backward,
        _fake_conv_backward,
    ),
)


def selective_state_step(state, u, delta, A, B, C, D, z, delta_bias, delta_softplus) -> Tensor:
    """One step of the scan, in place on the contiguous `state`."""
    (batch, channels, states), out = state.shape, u.new_empty(u.shape)
    A, D, delta_bias = map(_dense, (A, D, delta_bias))
    arguments = _ScanArguments(
        batch,
        channels,
        1,
        states,
        _threads(batch * channels * states),
        delta_softplus,
        channels * states,
        *map(_one_step, (u, delta, z, B, C, out)),
        *map(_pointer, (A, D, delta_bias)),
        None,
        state.data_ptr(),
    )
    build.library().selective_state_step(ctypes.byref(arguments), STORAGE_TYPES[u.dtype])
    return out


def causal_conv1d_step(columns, x, weight, bias, activation) -> Tensor:
    """One step of the convolution, in place on `columns`."""
    (batch, channels), out = x.shape, x.new_empty(x.shape)
    weight, bias = map(_dense, (weight, bias))
    arguments = _ConvArguments(
        batch,
        channels,
        1,
        weight.shape[1],
        1,
        activation == "silu",
        _one_step(x),
        _strided(columns),
        _one_step(out),
        *map(_pointer, (weight, bias)),
    )
    build.library().causal_conv1d_step(ctypes.byref(arguments), STORAGE_TYPES[x.dtype])
    return out


def ssd_state_step(state, x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit) -> Tensor:
    """One step of the Mamba-2 scan, in place on the contiguous `state`."""
    (batch, heads, head_dim, states), out = state.shape, x.new_empty(x.shape)
    A, D, delta_bias = map(_dense, (A, D, delta_bias))
    arguments = _SsdStepArguments(
        batch,
        heads,
        head_dim,
        B.shape[1],
        states,
        _threads(state.numel()),
        delta_softplus,
        *delta_limit,
        _strided(x),
        _one_step(delta),
        _groups_as_steps(B),
        _groups_as_steps(C),
        _strided(out),
        *map(_pointer, (A, D, delta_bias)),
        state.data_ptr(),
    )
    build.library().ssd_state_step(ctypes.byref(arguments), STORAGE_TYPES[x.dtype])
    return out


def _one_step(tensor: Tensor | None) -> ctypes.Array:
    """A (batch, channels) tensor as a sequence of one step."""
    return _NONE if tensor is None else _Tensor3(tensor.data_ptr(), *tensor.stride(), 0)


def _groups_as_steps(tensor: Tensor) -> ctypes.Array:
    batch, group, state = tensor.stride()
    return _Tensor3(tensor.data_ptr(), batch, state, group)
