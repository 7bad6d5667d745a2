"""Single steps of decoding on the C++ kernels."""

from __future__ import annotations

import ctypes

from torch import Tensor

from ssmpeft_lib.ops._autograd import opaque
from ssmpeft_lib.ops._cpp.arguments import (
    NONE,
    STORAGE_TYPES,
    ConvArguments,
    ScanArguments,
    SsdStepArguments,
    Tensor3,
    dense,
    pointer,
    strided,
    threads,
)
from ssmpeft_lib.ops._cpp.build import library


def _selective_state_step(state, u, delta, A, B, C, D, z, delta_bias, delta_softplus) -> Tensor:
    """One step of the scan, in place on the contiguous `state`."""
    (batch, channels, states), out = state.shape, u.new_empty(u.shape)
    A, D, delta_bias = map(dense, (A, D, delta_bias))
    arguments = ScanArguments(
        batch,
        channels,
        1,
        states,
        threads(batch * channels * states),
        delta_softplus,
        channels * states,
        *map(_one_step, (u, delta, z, B, C, out)),
        *map(pointer, (A, D, delta_bias)),
        None,
        state.data_ptr(),
    )
    library().selective_state_step(ctypes.byref(arguments), STORAGE_TYPES[u.dtype])
    return out


def _causal_conv1d_step(columns, x, weight, bias, activation) -> Tensor:
    """One step of the convolution, in place on `columns`."""
    (batch, channels), out = x.shape, x.new_empty(x.shape)
    weight, bias = map(dense, (weight, bias))
    arguments = ConvArguments(
        batch,
        channels,
        1,
        weight.shape[1],
        1,
        activation == "silu",
        _one_step(x),
        strided(columns),
        _one_step(out),
        *map(pointer, (weight, bias)),
    )
    library().causal_conv1d_step(ctypes.byref(arguments), STORAGE_TYPES[x.dtype])
    return out


def _ssd_state_step(state, x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit) -> Tensor:
    """One step of the Mamba-2 scan, in place on the contiguous `state`."""
    (batch, heads, head_dim, states), out = state.shape, x.new_empty(x.shape)
    A, D, delta_bias = map(dense, (A, D, delta_bias))
    arguments = SsdStepArguments(
        batch,
        heads,
        head_dim,
        B.shape[1],
        states,
        threads(state.numel()),
        delta_softplus,
        *delta_limit,
        strided(x),
        _one_step(delta),
        _groups_as_steps(B),
        _groups_as_steps(C),
        strided(out),
        *map(pointer, (A, D, delta_bias)),
        state.data_ptr(),
    )
    library().ssd_state_step(ctypes.byref(arguments), STORAGE_TYPES[x.dtype])
    return out


def _one_step(tensor: Tensor | None) -> ctypes.Array:
    """A (batch, channels) tensor as a sequence of one step."""
    return NONE if tensor is None else Tensor3(tensor.data_ptr(), *tensor.stride(), 0)


def _groups_as_steps(tensor: Tensor) -> ctypes.Array:
    batch, group, state = tensor.stride()
    return Tensor3(tensor.data_ptr(), batch, state, group)


def _like_input(state, x, *others) -> Tensor:
    return x.new_empty(x.shape)


selective_state_step = opaque(
    "state_step_cpp(Tensor(a!) state, Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z,"
    " Tensor? delta_bias, bool delta_softplus) -> Tensor",
    _selective_state_step,
    _like_input,
)
causal_conv1d_step = opaque(
    "conv_step_cpp(Tensor(a!) columns, Tensor x, Tensor weight, Tensor? bias, str? activation) -> Tensor",
    _causal_conv1d_step,
    _like_input,
)
ssd_state_step = opaque(
    "ssd_step_cpp(Tensor(a!) state, Tensor x, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D,"
    " Tensor? delta_bias, bool delta_softplus, float[] delta_limit) -> Tensor",
    _ssd_state_step,
    _like_input,
)
