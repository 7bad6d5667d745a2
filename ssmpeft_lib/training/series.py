"""Sequences of numbers with a class each, for a network that reads numbers: what a step's loss is, and its answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data._encoded import Encoded
from ..data._task import Task
from .loop import autocast
from .problem import Problem
from .recipe import Recipe

SHOWN = 32
"""Numbers of a sequence that are shown."""


class SeriesProblem(Problem):
    """A network, a task and its encoded splits.

    Args:
        model: from [batch, seq_len, 1] to logits [batch, labels].
        task, splits, recipe: as for `Problem`; the numbers are in the place of an input's token ids.
        normalised: from the numbers as they are kept to what the model reads.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        splits: dict[str, Encoded],
        normalised: Callable[[np.ndarray], np.ndarray],
        recipe: Recipe,
    ):
        super().__init__(model, task, splits, recipe)
        self.normalised = normalised

    @property
    def uniform_loss(self) -> float:
        """Cross-entropy of a uniform guess among the labels."""
        return math.log(len(self.task.labels))

    def serialised(self, i: int) -> list[str]:
        """A training example as the model reads it, shortened, and its label."""
        train = self.splits["train"]
        values = self.normalised(train.input_ids(i))
        more = f" … ({len(values)} numbers)" if len(values) > SHOWN else ""
        return [
            " ".join(f"{value:.2f}" for value in values[:SHOWN]) + more,
            self.task.labels[int(train.label_ids(i)[0])],
        ]

    def loss(self, indices: np.ndarray) -> Callable[[], Tensor]:
        """Cross-entropy of the labels."""
        x, y = self._batch(self.splits["train"], indices)
        return lambda: F.cross_entropy(self.model(x).float(), y)

    @torch.no_grad()
    def answers(self, split: str) -> list[str]:
        """The label that the model finds likeliest for each example of a split, in the split's order."""
        data = self.splits[split]
        self.model.eval()
        found: list[int] = []
        with autocast(self.recipe.precision, self.device):
            for start in range(0, len(data), self.recipe.eval_batch_size):
                x, _ = self._batch(data, range(start, min(start + self.recipe.eval_batch_size, len(data))))
                found += self.checked(self.model(x), split).argmax(-1).tolist()
        return [self.task.labels[label] for label in found]

    def _batch(self, data: Encoded, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        values = np.stack([data.input_ids(i) for i in indices])
        x = torch.from_numpy(self.normalised(values)).unsqueeze(-1)
        y = torch.tensor([int(data.label_ids(i)[0]) for i in indices])
        return x.to(self.device), y.to(self.device)
