"""Checks of what a caller hands to an op: one error names the argument, what it got and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type that states, sums and per-channel parameters are kept in: float64 for float64, else float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def check_floating(op: str, name: str, tensor: Tensor, dims: str) -> None:
    """Raise where the leading tensor of an op is not a floating-point tensor with the dimensions `dims`."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{op}: {name} is a {type(tensor).__name__}, expected a tensor {dims}")
    if tensor.dim() != dims.count(",") + 1:
        raise ValueError(f"{op}: {name} has shape {tuple(tensor.shape)}, expected {dims}")
    if tensor.dtype not in FLOATS:
        raise TypeError(f"{op}: {name} is {tensor.dtype}, expected one of {', '.join(map(str, FLOATS))}")


def check_like(op: str, first: Tensor, others: Iterable[tuple[str, Tensor | None, str, tuple[int, ...]]]) -> None:
    """Raise where one of `others` (name, tensor or None, dimensions, sizes) has other sizes or another device."""
    for name, tensor, dims, sizes in others:
        if tensor is None:
            continue
        if tensor.shape != sizes:
            raise ValueError(f"{op}: {name} has shape {tuple(tensor.shape)}, expected {dims} = {tuple(sizes)}")
        if tensor.device != first.device:
            raise ValueError(f"{op}: {name} is on {tensor.device}, expected {first.device}, where the input is")


def check_same_dtype(op: str, first: Tensor, others: Iterable[tuple[str, Tensor | None]]) -> None:
    """Raise where one of `others` has another type than `first`; mixing types would hide a cast of a large tensor."""
    for name, tensor in others:
        if tensor is not None and tensor.dtype != first.dtype:
            raise TypeError(f"{op}: {name} is {tensor.dtype}, expected {first.dtype}, the type of the input; cast it")


def check_initial(op: str, name: str, tensor: Tensor | None, dims: str, batch: int, rest: tuple[int, ...]) -> None:
    """Raise where an initial value is not one for each sequence of the batch, or one shared by all of them."""
    if tensor is not None and (tensor.shape[1:] != rest or tensor.shape[0] not in (1, batch)):
        raise ValueError(
            f"{op}: {name} has shape {tuple(tensor.shape)}, expected {dims} = {(batch, *rest)}, or a batch of 1"
        )


def check_documents(op: str, seq_idx: Tensor | None, first: Tensor, sizes: tuple[int, int]) -> None:
    """Raise where what says which document each step belongs to is no whole number for each step."""
    check_like(op, first, (("seq_idx", seq_idx, "(batch, seq_len)", sizes),))
    if seq_idx is not None and (seq_idx.is_floating_point() or seq_idx.is_complex()):
        raise TypeError(f"{op}: seq_idx is {seq_idx.dtype}, expected whole numbers, such as torch.int32")


def starts_of(seq_idx: Tensor | None) -> Tensor | None:
    """Where documents start: the first step of each row, and each of another document than the step before it."""
    return (
        None if seq_idx is None else F.pad(seq_idx[:, 1:] != seq_idx[:, :-1], (1, 0), value=True)[:, : seq_idx.shape[1]]
    )


def last_start(starts: Tensor) -> Tensor:
    """The step at which the document of each step started, int64 [batch, seq_len]."""
    steps = torch.arange(starts.shape[1], device=starts.device)
    return torch.where(starts, steps, 0).cummax(1).values


def cast(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """`tensor` in `dtype`; the common case, where there is nothing to do, costs no call into torch."""
    return tensor if tensor is None or tensor.dtype == dtype else tensor.to(dtype)


def empty_in_layout_of(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Uninitialised dense tensor of the shape (batch, channels, seq_len) of `tensor`, in its order of strides.

    A transposed (batch, seq_len, channels) tensor, also a slice or an expansion of one, gives a transposed one.
    """
    batch, channels, seq_len = tensor.shape
    if tensor.stride(1) <= tensor.stride(2):
        return tensor.new_empty((batch, seq_len, channels), dtype=dtype).transpose(1, 2)
    return tensor.new_empty((batch, channels, seq_len), dtype=dtype)


def in_layout_of(y: Tensor, tensor: Tensor) -> Tensor:
    """`y`, of the shape of `tensor`, in the layout that `empty_in_layout_of(tensor)` has."""
    if tensor.stride(1) <= tensor.stride(2):
        return y.transpose(1, 2).contiguous().transpose(1, 2)
    return y.contiguous()
