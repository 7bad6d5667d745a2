"""What a model is trained and scored on: the losses of steps, in an order that the seed decides, and answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..data._encoded import Encoded
from ..data._task import Example, Task
from .batches import batches_an_epoch, epochs_of_indices
from .recipe import Recipe


class Problem(ABC):
    """A model, a task and its encoded splits.

    Args:
        model: what is trained.
        task: labels, metrics, and what is asked.
        splits: `train`, `val` and `test` as encoded by `data._encode`; cut to the recipe's numbers of examples.
    Attributes:
        among_labels: for each split that was answered, what the model would say if it had to say a label; empty where
            it can say nothing else, or where the task has no labels.
    """

    def __init__(self, model: nn.Module, task: Task, splits: dict[str, Encoded], recipe: Recipe):
        self.model, self.task, self.recipe = model, task, recipe
        self.among_labels: dict[str, list[str]] = {}
        chosen_by = recipe.val_examples or recipe.eval_examples
        limits = {"train": recipe.train_examples, "val": chosen_by, "test": recipe.eval_examples}
        self.splits = {name: split.subset(limits[name]) for name, split in splits.items()}

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.model.parameters()).device

    @property
    def steps_an_epoch(self) -> int:
        """Whole batches in the training set; an error where there is none."""
        return batches_an_epoch(len(self.splits["train"]), self.recipe.batch_size)

    def losses(self, seed: int, first_step: int = 0) -> Iterator[Callable[[], Tensor]]:
        """The loss of one step after another, from a given step on; the order depends on the seed alone."""
        batches = (
            batch
            for epoch in epochs_of_indices(len(self.splits["train"]), self.recipe.batch_size, seed)
            for batch in epoch
        )
        for step, indices in enumerate(batches):
            if step >= first_step:
                yield self.loss(indices)

    def examples(self, split: str) -> Sequence[Example]:
        """The examples of a split as text, with what is right for each."""
        return self.splits[split].examples

    def checked(self, outputs: Tensor, split: str) -> Tensor:
        """Outputs of the model for examples of a split, once it is seen that they are numbers.

        Raises:
            FloatingPointError: one is NaN or infinite, so that the largest of them is no answer.
        """
        if not outputs.isfinite().all():
            raise FloatingPointError(f"the model's outputs on {split} are not all finite")
        return outputs

    @property
    @abstractmethod
    def uniform_loss(self) -> float:
        """Cross-entropy of a guess that finds everything equally likely."""

    @abstractmethod
    def serialised(self, i: int) -> list[str]:
        """A training example as the model reads it, and what it learns to say."""

    @abstractmethod
    def loss(self, indices: np.ndarray) -> Callable[[], Tensor]:
        """A function that computes the mean loss on some training examples."""

    @abstractmethod
    def answers(self, split: str) -> list[str]:
        """What the model says to each example of a split, as text, in the split's order.

        Raises:
            FloatingPointError: what the model computes is NaN or infinite.
        """
