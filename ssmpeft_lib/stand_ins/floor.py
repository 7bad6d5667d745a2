"""The time that the matrix products of a training step take by themselves: no kernel of ours can make it shorter."""

from __future__ import annotations

from time import process_time

import torch
from torch import Tensor

from ..compat.torch import TorchDispatchMode
from .shards import Shards

PRODUCTS = {torch.ops.aten.mm.default, torch.ops.aten.addmm.default, torch.ops.aten.bmm.default}


class _Products(TorchDispatchMode):
    """Notes the matrix products that run under it, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in PRODUCTS:
            self.calls.append((func, [(a.shape, a.stride(), a.dtype) for a in args if isinstance(a, Tensor)]))
        return func(*args, **(kwargs or {}))


def products_alone(shards: Shards, ids: Tensor, targets: Tensor, rounds: int = 5) -> float:
    """Measure how long the matrix products of one shard's training step take on one core, in seconds.

    Args:
        shards: the model.
        ids, targets: a batch of the size that one shard is given.
        rounds: times that all products are computed; the median counts.
    """
    with _Products() as products:
        shards.backward(ids, targets)
    operands = [(func, [_like(*meta) for meta in metas]) for func, metas in products.calls]
    seconds = []
    for _ in range(rounds + 1):
        start = process_time()
        for func, tensors in operands:
            func(*tensors)
        seconds.append(process_time() - start)
    return sorted(seconds[1:])[rounds // 2]


def _like(shape: torch.Size, stride: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.empty_strided(shape, stride, dtype=dtype).fill_(0.5)
