"""Text tasks for a causal language model: what a step's loss is, and what the model answers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from ..data._encoded import Encoded
from ..data._task import Task
from ..generation import generate
from .batches import label_logits, loss_of, to_batch
from .loop import autocast
from .problem import Problem
from .recipe import Recipe


class TextProblem(Problem):
    """A language model, a task and its encoded splits.

    Args:
        model: a transformers causal language model.
        task, splits, recipe: as for `Problem`.
        tokenizer: turns token ids into text.
        eos: the token that ends an answer.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        splits: dict[str, Encoded],
        tokenizer: Tokenizer,
        eos: int,
        recipe: Recipe,
    ):
        super().__init__(model, task, splits, recipe)
        self.tokenizer, self.eos = tokenizer, eos
        self.label_ids = [tokenizer.encode(label, add_special_tokens=False).ids[0] for label in task.labels]

    def serialised(self, i: int) -> list[str]:
        """A training example as the model reads it, and what it learns to say."""
        train = self.splits["train"]
        return [self.tokenizer.decode(ids.tolist()) for ids in (train.input_ids(i), train.label_ids(i))]

    @property
    def uniform_loss(self) -> float:
        """Cross-entropy of a uniform guess among all tokens."""
        return math.log(self.model.config.vocab_size)

    def loss(self, indices: np.ndarray) -> Callable[[], Tensor]:
        """Cross-entropy of the label tokens."""
        batch = to_batch(self.splits["train"].batch(indices), self.device)
        return lambda: loss_of(self.model, batch)

    @torch.no_grad()
    def answers(self, split: str) -> list[str]:
        """What the model says to each example of a split, as text, in the split's order.

        For a classification, `among_labels[split]` then holds the likeliest of the label words as well: what the model
        would say if it had to say a label.
        """
        data = self.splits[split]
        answers, labels = [""] * len(data), [""] * len(data)
        self.model.eval()
        with autocast(self.recipe.precision, self.device):
            for indices in data.buckets(self.recipe.eval_batch_size):
                if self.task.generates:
                    texts = among = self._generated(data, indices)
                else:
                    texts, among = self._labelled(split, indices)
                for index, text, label in zip(indices, texts, among, strict=True):
                    answers[index], labels[index] = text, label
        if not self.task.generates:
            self.among_labels[split] = labels
        return answers

    def _generated(self, data: Encoded, indices: np.ndarray) -> list[str]:
        prompts = [data.input_ids(i).tolist() for i in indices]
        tokens = generate(self.model, prompts, self.recipe.max_new_tokens, self.eos, self.recipe.beams)
        return [self.tokenizer.decode(answer).strip() for answer in tokens]

    def _labelled(self, split: str, indices: np.ndarray) -> tuple[list[str], list[str]]:
        # the likeliest token of the whole vocabulary: an answer that is no label is a wrong answer
        batch = to_batch(self.splits[split].batch(indices), self.device)
        logits = self.checked(label_logits(self.model, batch), split)
        texts = [self.tokenizer.decode([token]).strip() for token in logits.argmax(-1).tolist()]
        among = [self.task.labels[i] for i in logits[:, self.label_ids].argmax(-1).tolist()]
        return texts, among
