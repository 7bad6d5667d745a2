"""The training loop: AdamW, linear decay, clipping, validation after each epoch, the best epoch kept (Sec. C.1)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from statistics import fmean
from time import perf_counter

import torch
from torch import Tensor, nn

from .recipe import Recipe


class Diverged(ArithmeticError):
    """The training loss, its gradient or the answers are no longer numbers, or the loss has run away.

    Args:
        message: what happened.
        step: how many steps had been taken.
    """

    def __init__(self, message: str, step: int):
        super().__init__(message)
        self.step = step


def diverged(what: str, step: int, learning_rate: float) -> Diverged:
    """An error that says what went wrong, when and at which learning rate."""
    return Diverged(f"{what} at step {step}; lower the learning rate (it is {learning_rate:g})", step)


class Watch:
    """Tells early when a loss has run away: its mean over the last steps is above a bound that no useful run nears.

    The bound is twice the loss before the first update, or that of a uniform guess where this is more.

    Args:
        uniform: cross-entropy of a uniform guess among all answers.
        steps: over how many the mean is taken.
    """

    def __init__(self, uniform: float, steps: int = 20):
        self.bound = uniform
        self._last: deque[float] = deque(maxlen=steps)

    def ran_away(self, loss: float) -> bool:
        """Take note of the loss of one more step; returns whether the run should end."""
        if not self._last:
            self.bound = max(self.bound, 2 * loss)
        self._last.append(loss)
        return len(self._last) == self._last.maxlen and sum(self._last) / len(self._last) > self.bound

    def state_dict(self) -> dict:
        """What was taken note of, as plain values."""
        return {"bound": self.bound, "last": list(self._last)}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` returned."""
        self.bound = state["bound"]
        self._last = deque(state["last"], self._last.maxlen)


@dataclass
class Progress:
    """Where a run stands. Everything that a resumed run needs beside weights and optimiser.

    Attributes:
        step: optimiser steps taken.
        history: one entry for each validation: step, training loss and gradient norm (mean and greatest) since the
            last one, validation score.
        best_step, best_score: of the validation with the highest score so far.
        seconds: of training, without validation.
    """

    step: int = 0
    history: list[dict] = field(default_factory=list)
    best_step: int = -1
    best_score: float = -math.inf
    seconds: float = 0.0


class Trainer:
    """Takes optimiser steps.

    Args:
        groups: parameter groups for the optimiser, each with its learning rate at the start.
        recipe: the numbers.
        total_steps: length of the run, for the schedule.
        watch: ends a run whose loss has run away; None lets it go on.
    Attributes:
        norms: of the gradient of each step before it is clipped, since whoever reports on them emptied the list.
    """

    def __init__(self, groups: list[dict], recipe: Recipe, total_steps: int, watch: Watch | None = None):
        self.recipe = recipe
        self.total_steps = total_steps
        self.watch = watch
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=True)
        self.rates = [group["lr"] for group in groups]
        self.step = 0
        self.norms: list[float] = []

    def schedule(self, step: int) -> float:
        """What a step's learning rate is multiplied with: linear warm-up, where there is any, and decay."""
        warm = min(1.0, (step + 1) / self.recipe.warmup_steps) if self.recipe.warmup_steps else 1.0
        return warm * (max(0.0, 1 - step / self.total_steps) if self.recipe.schedule == "linear" else 1.0)

    def resume(self, optimizer: dict, step: int, watch: dict | None = None) -> None:
        """Go on after a step, with the states of then of optimiser and watch."""
        self.optimizer.load_state_dict(optimizer)
        self.step = step
        if self.watch and watch:
            self.watch.load_state_dict(watch)

    def take(self, loss: Callable[[], Tensor]) -> float:
        """One step on a loss; returns the loss.

        Raises:
            Diverged: the loss or its gradient is NaN or infinite, or the loss has run away.
        """
        with autocast(self.recipe.precision, self.parameters[0].device):
            value = loss()
        number = value.item()
        self.check(number)
        value.backward()
        self.update()
        return number

    def check(self, loss: float) -> None:
        """Raise Diverged where a loss is such that the run should end."""
        if not math.isfinite(loss):
            raise self._diverged(f"the training loss is {loss}")
        if self.watch and self.watch.ran_away(loss):
            raise self._diverged(f"the training loss stays above {self.watch.bound:.3g}")

    def update(self) -> None:
        """Take the step that the gradients of the parameters say.

        Raises:
            Diverged: the gradient is NaN or infinite; the parameters are as they were.
        """
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.schedule(self.step)
        # a bound of infinity leaves the gradient as it is
        bound = math.inf if self.recipe.clip is None else self.recipe.clip
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, bound).item()
        if not math.isfinite(norm):
            raise self._diverged(f"the norm of the gradient is {norm}")
        self.norms.append(norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1

    def _diverged(self, what: str) -> Diverged:
        return diverged(what, self.step, self.recipe.learning_rate)


def fit(
    trainer: Trainer,
    network: nn.Module,
    losses: Iterator[Callable[[], Tensor]],
    until: int | None = None,
    every: int | None = None,
    report: Callable[[list[float]], None] = lambda losses: None,
    timer: AbstractContextManager | None = None,
    after_step: Callable[[float], None] = lambda loss: None,
) -> None:
    """Take steps.

    Args:
        trainer: goes on from where it is.
        network: in training mode at every step, whatever a report did to it.
        losses: of one step after another.
        until: the step to end at; None for the trainer's last.
        every: how many steps lie between two reports; None for a report at the end alone.
        report: called with the losses since the report before.
        timer: entered at each step, and left before what follows it.
        after_step: called with each step's loss.
    Raises:
        Diverged: a loss or its gradient is NaN or infinite, or the loss has run away.
    """
    until, since = trainer.total_steps if until is None else until, []
    while trainer.step < until:
        with timer or nullcontext():
            if not network.training:
                network.train()
            since.append(trainer.take(next(losses)))
        after_step(since[-1])
        if trainer.step == until or (every and trainer.step % every == 0):
            report(since)
            since = []


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """bf16 mixed precision, or nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def snapshot(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the trained parameters, to go back to the best epoch."""
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


@torch.no_grad()
def restore(parameters: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    """Write copies back."""
    for name, parameter in parameters.items():
        parameter.copy_(saved[name])


def summary(losses: Sequence[float], norms: Sequence[float]) -> dict[str, float]:
    """What a history says of some steps: the mean loss, and the mean and greatest norm of the gradient, unclipped."""
    return {
        "train_loss": round(fmean(losses), 6),
        "grad_norm": float(f"{fmean(norms):.6g}"),
        "max_grad_norm": float(f"{max(norms):.6g}"),
    }


class Timer:
    """Adds the seconds of its `with` blocks."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def __enter__(self) -> Timer:
        self._start = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self.seconds += perf_counter() - self._start
