"""Text tasks for a causal language model: what a step's loss is, and what the model answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ..generation import generate
from ..tasks import Task
from .batches import epochs_of_indices, label_logits, loss_of, make_batch
from .loop import autocast
from .recipe import Recipe


class TextProblem:
    """A model, a task and its encoded splits.

    Args:
        model: a transformers causal language model.
        task: instruction, labels, metrics.
        splits: `train`, `val` and `test` as encoded by `ssmpeft_lib.encode`.
        decode: token ids to text.
        eos: the token that ends an answer.
    """

    def __init__(
        self, model: nn.Module, task: Task, splits: dict, decode: Callable[[list[int]], str], eos: int, recipe: Recipe
    ):
        self.model, self.task, self.recipe, self.decode, self.eos = model, task, recipe, decode, eos
        limits = {"train": recipe.train_examples, "val": recipe.eval_examples, "test": recipe.eval_examples}
        self.splits = {name: split.head(limits[name]) for name, split in splits.items()}

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def steps_an_epoch(self) -> int:
        return len(self.splits["train"]) // self.recipe.batch_size

    def losses(self, seed: int, first_step: int = 0) -> Iterator[Callable[[], Tensor]]:
        """The loss of one step after another, from a given step on; the order depends on the seed alone."""
        train = self.splits["train"]
        step = 0
        for epoch in epochs_of_indices(len(train), self.recipe.batch_size, seed):
            for indices in epoch:
                if step >= first_step:
                    batch = make_batch(*train.take(indices), self.device)
                    yield lambda batch=batch: loss_of(self.model, batch)
                step += 1

    @torch.no_grad()
    def answers(self, split: str) -> list[str]:
        """What the model says to each example of a split, as text, in the split's order."""
        data = self.splits[split]
        answers = [""] * len(data)
        self.model.eval()
        with autocast(self.recipe.precision, self.device):
            for indices in by_length(data.input_lengths, self.recipe.eval_batch_size):
                inputs, labels = data.take(indices)
                texts = self._generated(inputs) if self.task.generates else self._labelled(inputs, labels)
                for index, text in zip(indices, texts, strict=True):
                    answers[index] = text
        return answers

    def _generated(self, inputs: list[np.ndarray]) -> list[str]:
        prompts = [tokens.tolist() for tokens in inputs]
        tokens = generate(self.model, prompts, self.recipe.max_new_tokens, self.eos, self.recipe.beams)
        return [self.decode(answer).strip() for answer in tokens]

    def _labelled(self, inputs: list[np.ndarray], labels: list[np.ndarray]) -> list[str]:
        # the likeliest token of the whole vocabulary: an answer that is no label is a wrong answer
        first = [label[:1] for label in labels]
        tokens = label_logits(self.model, make_batch(inputs, first, self.device)).argmax(-1)
        return [self.decode([token]).strip() for token in tokens.tolist()]


def by_length(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Indices in batches of similar length, so that little is computed for padding."""
    order = np.argsort(lengths, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
