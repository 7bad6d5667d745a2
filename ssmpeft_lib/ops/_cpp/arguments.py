"""How tensors reach the kernels: as pointers and strides in structs that mirror those of the C++ sources.

The kernels share torch's OpenMP threads and use as many as `torch.get_num_threads()` says; their results are the same,
bit for bit, for any number. In a process forked off, OpenMP's threads are gone, so it uses one.
"""

from __future__ import annotations

import ctypes
import os

import torch
from torch import Tensor

STORAGE_TYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float64: 2}

CHUNK = 32
"""Steps between two states that are kept; the same number as in `tiles.h`."""

LEAST_PARALLEL = 1 << 15
"""Tasks with fewer elements than this run on one thread, since waking the others would take longer."""

Tensor3 = ctypes.c_int64 * 4
"""Address of the data, and the strides of batch, channel and step; all zero for an argument that is not given."""

NONE = Tensor3()


class ScanArguments(ctypes.Structure):
    """What the selective scan and its gradient take; mirrors the struct in `scan.h`."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "channels", "steps", "states", "threads", "softplus")),
        ("initial_batch", ctypes.c_int64),
        *((name, Tensor3) for name in ("u", "delta", "z", "B", "C", "out")),
        *((name, ctypes.c_void_p) for name in ("A", "D", "bias", "initial", "last", "checkpoints")),
        *((name, Tensor3) for name in ("grad_out", "grad_u", "grad_delta", "grad_z", "grad_B", "grad_C")),
        *((name, ctypes.c_void_p) for name in ("grad_last", "grad_A", "grad_D", "grad_bias", "grad_initial", "starts")),
    ]


class ConvArguments(ctypes.Structure):
    """What the causal convolution and its gradient take; mirrors the struct in `conv.cpp`."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "channels", "steps", "width", "threads", "silu")),
        *((name, Tensor3) for name in ("x", "initial", "out")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias")),
        *((name, Tensor3) for name in ("grad_out", "grad_x")),
        *((name, ctypes.c_void_p) for name in ("grad_weight", "grad_bias", "grad_initial", "starts")),
    ]


class SsdStepArguments(ctypes.Structure):
    """What one step of Mamba-2's recurrence takes; mirrors the struct in `decoding.cpp`."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "heads", "head_dim", "groups", "states", "threads", "softplus")),
        *((name, ctypes.c_double) for name in ("least_delta", "most_delta")),
        *((name, Tensor3) for name in ("x", "delta", "B", "C", "out")),
        *((name, ctypes.c_void_p) for name in ("A", "D", "bias", "state")),
    ]


class LinearArguments(ctypes.Structure):
    """What a linear layer in float32 takes; mirrors the struct in `linear.cpp`."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "inputs", "outputs", "threads", "x_stride", "weight_stride")),
        *((name, ctypes.c_void_p) for name in ("x", "weight", "bias", "y")),
    ]


_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


os.register_at_fork(after_in_child=_after_fork)


def threads(work: int) -> int:
    """Threads to use for a task of so many elements."""
    return 1 if _forked or work < LEAST_PARALLEL else torch.get_num_threads()


def strided(tensor: Tensor | None) -> ctypes.Array:
    """A tensor of three dimensions as the kernels take it."""
    return NONE if tensor is None else Tensor3(tensor.data_ptr(), *tensor.stride())


def pointer(tensor: Tensor | None) -> int | None:
    """Address of a contiguous tensor, which the caller must keep alive during the call."""
    return None if tensor is None else tensor.data_ptr()


def dense(tensor: Tensor | None) -> Tensor | None:
    """`tensor`, or a contiguous copy."""
    return tensor if tensor is None or tensor.is_contiguous() else tensor.contiguous()
