"""One model trained by several threads, each on its share of a batch, with one exchange of gradients a step.

Threads that work side by side for a whole step do not wait for each other at every product, as those of one product do;
on a busy machine that is most of their time. The result depends on the number of shards only by the order of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from ..adapters.backbone import Backbone
from .blocks import IGNORED
from .head_loss import head_loss


class Shards:
    """Copies of a language model that share their weights, each with gradients of its own.

    Attributes:
        network: the first copy; after `gradients` it holds the sum of all gradients.
    """

    def __init__(self, build: Callable[[], nn.Module], count: int, dtype: torch.dtype) -> None:
        self.copies = [build() for _ in range(count)]
        self.network, self._dtype = self.copies[0], dtype
        for copy in self.copies:
            Backbone(copy).prepare()
            for mine, shared in zip(copy.parameters(), self.network.parameters(), strict=True):
                mine.data = shared.data
        self._pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))

    def gradients(self, ids: Tensor, targets: Tensor) -> float:
        """Compute the gradient of the mean loss of a batch and return that loss, in nats a token."""
        counted = int((targets != IGNORED).sum())
        total = sum(self._share(self._backward, ids, targets, counted))
        for copy in self.copies[1:]:
            for parameter, other in zip(self.network.parameters(), copy.parameters(), strict=True):
                if other.grad is not None:
                    parameter.grad = other.grad if parameter.grad is None else parameter.grad.add_(other.grad)
                    other.grad = None
        return total

    def backward(self, ids: Tensor, targets: Tensor) -> None:
        """Run a training step of one shard in the calling thread and throw its gradients away."""
        self._backward(self.network, ids, targets, targets.numel())
        self.network.zero_grad(set_to_none=True)

    def loss(self, ids: Tensor, targets: Tensor) -> float:
        """Sum the loss over the tokens of a batch, in nats."""
        with torch.no_grad():
            return sum(self._share(self._forward, ids, targets))

    def _share(self, work: Callable, ids: Tensor, targets: Tensor, *more) -> list[float]:
        shares = zip(self.copies, ids.chunk(len(self.copies)), targets.chunk(len(self.copies)), strict=False)
        return [future.result() for future in [self._pool.submit(work, *share, *more) for share in shares]]

    def _backward(self, copy: nn.Module, ids: Tensor, targets: Tensor, counted: int) -> float:
        loss = self._sum(copy, ids, targets) / counted
        loss.backward()
        return loss.item()

    def _forward(self, copy: nn.Module, ids: Tensor, targets: Tensor) -> float:
        with torch.no_grad():
            return self._sum(copy, ids, targets).item()

    def _sum(self, copy: nn.Module, ids: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast("cpu", self._dtype, enabled=self._dtype != torch.float32):
            hidden = copy.base_model(input_ids=ids, use_cache=False)[0]
        counts = targets != IGNORED
        return head_loss(hidden[counts], copy.get_output_embeddings().weight, targets[counts], self._dtype)
