"""Several learning rates of one cell in one process: versions of the adapter over one frozen model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from ..adapters.api import parameter_groups
from ..adapters.select_by_warmup import begin_warmup, select
from ..training.loop import Diverged, Trainer, Watch, autocast, restore, snapshot
from ..training.vmapped import Together
from .run import Run

logger = logging.getLogger(__name__)


@dataclass
class Version:
    """One of the trainings.

    Attributes:
        trainer: with parameters, learning rate and optimiser of its own.
        parameters: by their names in the model.
        fixed: what a warm-up chose at this rate, by name.
        losses: of the steps taken.
        stopped: why the training ended early, if it did.
    """

    trainer: Trainer
    parameters: dict[str, nn.Parameter]
    fixed: dict[str, Tensor] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    stopped: Diverged | None = None

    def put_into(self, run: Run) -> None:
        """Give the run's model the values of this version."""
        restore(run.trained, self.parameters)
        restore({name: run.fixed[name] for name in self.fixed}, self.fixed)


def train_side_by_side(run: Run, rates: Sequence[float], watches: Sequence[Watch | None]) -> list[Version]:
    """Train an adapted run at several learning rates at once.

    Every rate sees the batches, the dropout and the warm-up that it would see alone, and has clipping and optimiser of
    its own: the results are those of separate runs, to rounding.

    Args:
        watches: for each rate, what ends it early.
    Returns:
        a version for each rate, in the order of the rates.
    Raises:
        NotTogether: the method or the model cannot do this; run the rates one by one.
    """
    torch.manual_seed(run.cell.seed)
    warmed = _warm_up(run, rates)
    versions = []
    for rate, watch, (fixed, stopped) in zip(rates, watches, warmed, strict=True):
        parameters = _copies(run.trained)
        groups = parameter_groups(run.model, rate, parameters)
        trainer = Trainer(groups, replace(run.recipe, learning_rate=rate), run.total_steps, watch)
        versions.append(Version(trainer, parameters, fixed, stopped=stopped))
    _train(run, versions, run.total_steps)
    return versions


def _warm_up(run: Run, rates: Sequence[float]) -> list[tuple[dict[str, Tensor], Diverged | None]]:
    """What the warm-up chooses at each rate, and whether it diverged there."""
    warmup = begin_warmup(run.model)
    if warmup is None:
        return [({}, None)] * len(rates)
    versions = []
    for rate in rates:
        parameters = _copies(run.trained)
        groups = [{"params": list(parameters.values()), "lr": rate}]
        versions.append(Version(Trainer(groups, replace(run.recipe, learning_rate=rate), run.total_steps), parameters))
    _train(run, versions, run.selection_steps)
    for version in versions:
        # the choice at the rate before has ended the warm-up
        warmup = warmup or begin_warmup(run.model)
        restore(run.trained, version.parameters)
        select(run.model, warmup)
        warmup, version.fixed = None, snapshot(run.fixed)
    return [(version.fixed, version.stopped) for version in versions]


def _train(run: Run, versions: list[Version], steps: int) -> None:
    together, batches = Together(run.model), run.problem.losses(run.cell.seed)
    run.model.train()
    for step in range(steps):
        going = [version for version in versions if version.stopped is None]
        if not going:
            return
        if step % max(1, steps // 10) == 0:
            logger.info("%s: step %d of %d, %d of %d rates go on", run.cell, step, steps, len(going), len(versions))
        with autocast(run.recipe.precision, run.problem.device):
            losses = together.losses(next(batches), [version.parameters | version.fixed for version in going])
        kept = [
            index
            for index, (version, loss) in enumerate(zip(going, losses.tolist(), strict=True))
            if _goes_on(version, loss)
        ]
        losses[kept].sum().backward()
        for index in kept:
            going[index].trainer.update()


def _goes_on(version: Version, loss: float) -> bool:
    try:
        version.trainer.check(loss)
    except Diverged as error:
        version.stopped = error
        return False
    version.losses.append(loss)
    return True


def _copies(parameters: dict[str, nn.Parameter]) -> dict[str, nn.Parameter]:
    return {name: nn.Parameter(value) for name, value in snapshot(parameters).items()}
