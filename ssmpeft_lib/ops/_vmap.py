"""The ops under `torch.vmap`: several versions of a model's parameters in one forward."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ssmpeft_lib.compat.torch import are_transforms_active


def vmappable(*shared: str) -> Callable:
    """Let an op of rows be called under `torch.vmap`.

    Where the rows alone are mapped, they become rows of one call. Where what they share is mapped, such as A, each
    version takes a call of its own.

    Args:
        shared: names of the tensors that all rows of a batch share; every other tensor has the batch in front.
    """

    def decorate(op: Callable) -> Callable:
        signature = inspect.signature(op)

        @functools.wraps(op)
        def call(*args, **kwargs):
            if torch.compiler.is_compiling() or not are_transforms_active():
                return op(*args, **kwargs)
            given = signature.bind(*args, **kwargs).arguments
            tensors = {name: value for name, value in given.items() if isinstance(value, Tensor)}
            others = {name: value for name, value in given.items() if name not in tensors}

            def of_tensors(*values: Tensor):
                return op(**dict(zip(tensors, values, strict=True)), **others)

            return _Mapped.apply(of_tensors, [name in shared for name in tensors], *tensors.values())

        return call

    return decorate


class _Mapped(torch.autograd.Function):
    """Carries an op to `vmap` below, which is all that it is for."""

    @staticmethod
    def forward(op, shared, *tensors):
        return op(*tensors)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        pass

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError("under a transform other than torch.vmap, the ops have no gradient")

    @staticmethod
    def vmap(info, dims, op, shared, *tensors):
        _, _, *dims = dims
        tensors = [t if dim is None else t.movedim(dim, 0) for t, dim in zip(tensors, dims, strict=True)]
        mapped = [dim is not None for dim in dims]
        if any(m and s for m, s in zip(mapped, shared, strict=True)):
            return _one_by_one(info.batch_size, op, tensors, mapped), 0
        return _as_rows(info.batch_size, op, tensors, mapped, shared), 0


def _one_by_one(count: int, op: Callable, tensors: list[Tensor], mapped: list[bool]):
    of_each = (t.unbind() if m else [t] * count for t, m in zip(tensors, mapped, strict=True))
    versions = [op(*inputs) for inputs in zip(*of_each, strict=True)]
    if isinstance(versions[0], tuple):
        return tuple(_stacked(outputs) for outputs in zip(*versions, strict=True))
    return _stacked(versions)


def _stacked(versions: Sequence[Tensor]) -> Tensor:
    """Versions in a new first dimension; the others keep the order of their strides."""
    order, back = _by_stride(versions[0], range(versions[0].dim()))
    return torch.stack([version.permute(order) for version in versions]).permute(0, *(1 + dim for dim in back))


def _flat(versions: Tensor) -> Tensor:
    """[versions, batch, ...] as [versions * batch, ...]; the others keep the order of their strides."""
    order, back = _by_stride(versions, range(2, versions.dim()))
    return versions.permute(0, 1, *order).flatten(0, 1).permute(0, *(1 + dim for dim in back))


def _by_stride(tensor: Tensor, dims: range) -> tuple[list[int], list[int]]:
    """Dimensions by falling stride, and the positions that bring them back."""
    order = sorted(dims, key=tensor.stride, reverse=True)
    return order, [order.index(dim) for dim in dims]


def _as_rows(count: int, op: Callable, tensors: list[Tensor], mapped: list[bool], shared: list[bool]):
    batch = tensors[0].shape[1 if mapped[0] else 0]

    def rows(tensor: Tensor, is_mapped: bool, is_shared: bool) -> Tensor:
        if is_shared or (not is_mapped and len(tensor) == 1 != batch):
            return tensor
        versions = tensor if is_mapped else tensor.expand(count, *tensor.shape)
        return _flat(versions.expand(-1, batch, *versions.shape[2:]))

    outputs = op(*(rows(*each) for each in zip(tensors, mapped, shared, strict=True)))
    if isinstance(outputs, tuple):
        return tuple(output.unflatten(0, (count, batch)) for output in outputs)
    return outputs.unflatten(0, (count, batch))
