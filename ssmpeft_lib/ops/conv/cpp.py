"""The causal convolution on the C++ kernels."""

from __future__ import annotations

import ctypes

from torch import Tensor

from ssmpeft_lib.ops._autograd import differentiable
from ssmpeft_lib.ops._cpp.arguments import NONE, STORAGE_TYPES, ConvArguments, dense, pointer, strided, threads
from ssmpeft_lib.ops._cpp.build import library
from ssmpeft_lib.ops._layout import empty_in_layout_of

TENSORS = "Tensor x, Tensor weight, Tensor? bias, Tensor? initial_columns, Tensor? starts"


def causal_conv1d(x, weight, bias, activation, initial_columns, starts=None) -> Tensor:
    """Convolution and activation in one pass over the input."""
    return _conv(x, weight, bias, initial_columns, starts, activation == "silu")


def _conv_arguments(x, weight, bias, initial_columns, starts, silu) -> ConvArguments:
    (batch, channels, steps), width = x.shape, weight.shape[1]
    initial = strided(initial_columns)
    if initial_columns is not None and initial_columns.shape[0] != batch:
        initial[1] = 0
    arguments = ConvArguments(
        batch,
        channels,
        steps,
        width,
        threads(batch * channels * steps * width),
        silu,
        strided(x),
        initial,
        NONE,
        pointer(weight),
        pointer(bias),
    )
    arguments.starts = pointer(starts)
    return arguments


def _conv_forward(x, weight, bias, initial_columns, starts, silu):
    weight, bias, initial_columns, starts = map(dense, (weight, bias, initial_columns, starts))
    out = empty_in_layout_of(x)
    arguments = _conv_arguments(x, weight, bias, initial_columns, starts, silu)
    arguments.out = strided(out)
    library().causal_conv1d_forward(ctypes.byref(arguments), STORAGE_TYPES[x.dtype])
    return out


def _fake_conv_forward(x, weight, bias, initial_columns, starts, silu):
    return empty_in_layout_of(x)


def _conv_backward(grad_out, x, weight, bias, initial_columns, starts, silu):
    grads = _fake_conv_backward(grad_out, x, weight, bias, initial_columns, starts, silu)
    grad_x, grad_weight, grad_bias, grad_initial = grads
    weight, bias, initial_columns, starts = map(dense, (weight, bias, initial_columns, starts))
    arguments = _conv_arguments(x, weight, bias, initial_columns, starts, silu)
    arguments.grad_out = strided(grad_out)
    arguments.grad_x = strided(grad_x)
    arguments.grad_weight = grad_weight.data_ptr()
    if bias is not None:
        arguments.grad_bias = grad_bias.data_ptr()
    if initial_columns is not None:
        arguments.grad_initial = grad_initial.data_ptr()
    library().causal_conv1d_backward(ctypes.byref(arguments), STORAGE_TYPES[x.dtype])
    return grads


def _fake_conv_backward(grad_out, x, weight, bias, initial_columns, starts, silu):
    def like(tensor):
        return weight.new_empty(0) if tensor is None else weight.new_empty(tensor.shape)

    return empty_in_layout_of(x), like(weight), like(bias), like(initial_columns)


def _save_conv(ctx, inputs, output) -> None:
    *tensors, ctx.silu = inputs
    ctx.save_for_backward(*tensors)


def _conv_gradients(gradient_op, ctx, grad_out):
    x, weight, bias, initial_columns, starts = ctx.saved_tensors
    grads = gradient_op(grad_out, x, weight, bias, initial_columns, starts, ctx.silu)
    x, weight, bias, initial = (
        grad if needed else None for grad, needed in zip(grads, ctx.needs_input_grad, strict=False)
    )
    return x, weight, bias, None if initial is None else initial.to(initial_columns.dtype), None, None


_conv = differentiable(
    f"conv_cpp({TENSORS}, bool silu) -> Tensor",
    _conv_forward,
    _fake_conv_forward,
    _save_conv,
    _conv_gradients,
    gradient=(
        f"conv_cpp_backward(Tensor grad_out, {TENSORS}, bool silu) -> (Tensor, Tensor, Tensor, Tensor)",
        _conv_backward,
        _fake_conv_backward,
    ),
)
