"""Series of numbers that a network learns to turn into what another network makes of them (Sec. 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data._encoded import Encoded
from ..data._task import Example, Task
from .loop import autocast
from .problem import Problem
from .recipe import Recipe
from .series import SHOWN


class RegressionProblem(Problem):
    """A network, the network that it is to act as, and encoded splits of inputs.

    Args:
        model, target: from [batch, seq_len, d_model] to the same shape.
        task, splits, recipe: as for `Problem`; the inputs are in the place of token ids, and no labels lie beside them.
        normalised: from the numbers as they are kept to what the models read, [..., seq_len, d_model].
        drawn: draws as many new inputs with a generator, of the same shape, for data sets that are trained on new ones
            in every step; None to train on those of the split.
    """

    def __init__(
        self,
        model: nn.Module,
        target: nn.Module,
        task: Task,
        splits: dict[str, Encoded],
        normalised: Callable[[np.ndarray], np.ndarray],
        recipe: Recipe,
        drawn: Callable[[int, torch.Generator], Tensor] | None = None,
    ):
        super().__init__(model, task, splits, recipe)
        self.target, self.normalised, self.drawn = target, normalised, drawn

    @property
    def uniform_loss(self) -> float:
        """Mean squared error of a guess that is zero everywhere, on the validation set."""
        return self._wanted(self._inputs("val", range(len(self.splits["val"])))).square().mean().item()

    def serialised(self, i: int) -> list[str]:
        """The first numbers of a training example, and of what the target makes of it."""
        x = self._inputs("train", [i])
        more = f" … ({x[0].numel():,} numbers)"
        return [_text(series[0].flatten()[:SHOWN]) + more for series in (x, self._wanted(x))]

    def losses(self, seed: int, first_step: int = 0) -> Iterator[Callable[[], Tensor]]:
        if self.drawn is None:
            yield from super().losses(seed, first_step)
            return
        generator = torch.Generator().manual_seed(seed)
        for step in count():
            x = self.drawn(self.recipe.batch_size, generator).to(self.device)
            if step >= first_step:
                yield self._loss(x)

    def loss(self, indices: np.ndarray) -> Callable[[], Tensor]:
        """Mean squared error."""
        return self._loss(self._inputs("train", indices))

    def examples(self, split: str) -> Sequence[Example]:
        """The inputs of a split as text, each with the target's outputs as its label."""
        inputs = self.splits[split].examples
        labels = self._outputs(self.target, split)
        return [replace(one, label=label, references=()) for one, label in zip(inputs, labels, strict=True)]

    def answers(self, split: str) -> list[str]:
        """The model's outputs for each example of a split, as text, in the split's order."""
        self.model.eval()
        return self._outputs(self.model, split)

    @torch.no_grad()
    def _outputs(self, network: nn.Module, split: str) -> list[str]:
        found, size = [], self.recipe.eval_batch_size
        with autocast(self.recipe.precision, self.device):
            for start in range(0, len(self.splits[split]), size):
                x = self._inputs(split, range(start, min(start + size, len(self.splits[split]))))
                found += [_text(series) for series in self.checked(network(x), split).float().flatten(1)]
        return found

    def _loss(self, x: Tensor) -> Callable[[], Tensor]:
        y = self._wanted(x)
        return lambda: F.mse_loss(self.model(x).float(), y)

    @torch.no_grad()
    def _wanted(self, x: Tensor) -> Tensor:
        return self.target(x)

    def _inputs(self, split: str, indices: Sequence[int]) -> Tensor:
        values = np.stack([self.splits[split].input_ids(i) for i in indices])
        return torch.from_numpy(self.normalised(values)).to(self.device)


def _text(values: Tensor) -> str:
    return " ".join(f"{value:.5g}" for value in values.tolist())
