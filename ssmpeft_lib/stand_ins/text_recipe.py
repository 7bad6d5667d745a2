"""How a model is pretrained on text, and how far it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class TextRecipe:
    """How a model is pretrained on text.

    Attributes:
        tokens: tokens to predict in all, counted again in every pass.
        learning_rate: peak of the schedule: a linear warm-up, then a cosine down to `floor` of it.
        batch_tokens: tokens of a batch, padding included.
        length: tokens of a row at most.
        warmup: share of the tokens for the warm-up.
        weight_decay: of matrices, but for A_log.
        clip: largest norm of a gradient.
        shards: threads, each with its share of a batch.
        precision: of the matrix products and of what passes between layers; weights are float32.
        seed: of the weights and of the order of the documents.
    """

    tokens: int
    learning_rate: float = 3e-3
    batch_tokens: int = 4096
    length: int = 512
    warmup: float = 0.01
    floor: float = 0.02
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0
    shards: int = 2
    precision: str = "bfloat16"
    seed: int = 0

    def rate(self, tokens: int) -> float:
        """Learning rate after so many tokens."""
        done = min(1.0, tokens / self.tokens)
        if done < self.warmup:
            return self.learning_rate * max(0.01, done / self.warmup)
        cosine = 0.5 * (1 + math.cos(math.pi * (done - self.warmup) / (1 - self.warmup)))
        return self.learning_rate * (self.floor + (1 - self.floor) * cosine)


@dataclass
class Progress:
    """How far a run is; saved with its weights.

    Attributes:
        epoch, index: the batch that comes next.
        seconds: time spent in training, over all sessions.
        loss, counted, core_seconds: sum of the losses, in nats, number of the tokens, and time that they took on all
            cores together, since the last entry of the history.
        history: about two hundred entries: step, tokens, seconds; mean loss, tokens and core seconds since the last
            one; some with the loss on held-out text.
    """

    step: int = 0
    tokens: int = 0
    epoch: int = 0
    index: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    counted: int = 0
    core_seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters with weight decay (matrices, but for A_log) and without."""
    named = list(network.named_parameters())
    decayed = [p for name, p in named if p.dim() >= 2 and not name.endswith("A_log")]
    others = [p for name, p in named if p.dim() < 2 or name.endswith("A_log")]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
