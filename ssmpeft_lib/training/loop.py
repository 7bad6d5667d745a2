"""The training loop: AdamW, linear decay, clipping, validation after each epoch, the best epoch kept (Sec. C.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor, nn

from .recipe import Recipe

Groups = list[dict]


class Diverged(ArithmeticError):
    """The training loss is no longer a number."""


@dataclass
class Progress:
    """Where a run stands. Everything that a resumed run needs beside weights and optimiser.

    Attributes:
        step: optimiser steps taken.
        history: one entry for each validation: step, epoch, training loss since the last one, validation score.
        best_step, best_score: of the validation with the highest score so far.
        seconds: of training, without validation.
    """

    step: int = 0
    history: list[dict] = field(default_factory=list)
    best_step: int = -1
    best_score: float = -math.inf
    seconds: float = 0.0


class Trainer:
    """Trains what is trainable in a model.

    Args:
        model: the adapted model.
        groups: parameter groups for the optimiser; a group's `factor` multiplies the learning rate.
        recipe: the numbers.
        total_steps: length of the run, for the schedule.
    """

    def __init__(self, model: nn.Module, groups: Groups, recipe: Recipe, total_steps: int):
        self.model = model
        self.recipe = recipe
        self.total_steps = total_steps
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        # one fused update for all parameters of a group; the moments are created by the first step
        self.optimizer = torch.optim.AdamW(
            [{**group, "factor": group.get("factor", 1.0)} for group in groups],
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.step = 0

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up where there is any, then linear decay to zero."""
        warm = min(1.0, (step + 1) / self.recipe.warmup_steps) if self.recipe.warmup_steps else 1.0
        return self.recipe.learning_rate * warm * (1 - step / self.total_steps)

    def take(self, loss: Callable[[], Tensor]) -> float:
        """One step on a loss; returns the loss.

        Raises:
            Diverged: the loss is NaN or infinite.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(self.step) * group["factor"]
        with autocast(self.recipe.precision, self.parameters[0].device):
            value = loss()
        number = value.item()
        if not math.isfinite(number):
            rate = self.recipe.learning_rate
            raise Diverged(f"the training loss is {number} at step {self.step}; lower the learning rate (it is {rate:g})")
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return number


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """bf16 mixed precision, or nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def snapshot(parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Copies of the trained parameters, to go back to the best epoch."""
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


@torch.no_grad()
def restore(parameters: dict[str, nn.Parameter], saved: dict[str, Tensor]) -> None:
    """Write copies back."""
    for name, parameter in parameters.items():
        parameter.copy_(saved[name])


class Timer:
    """Adds the seconds of its `with` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> Timer:
        self._start = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += perf_counter() - self._start
