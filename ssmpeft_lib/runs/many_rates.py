"""Several learning rates of one cell in one process: versions of the adapter over one frozen model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..adapters.api import parameter_groups
from ..adapters.select_by_warmup import begin_warmup, select
from ..adapters.selection.budget import Selection
from ..plan.search import choose
from ..training.loop import Diverged, Trainer, Watch, autocast, restore, snapshot, summary
from ..training.vmapped import Together

if TYPE_CHECKING:
    from .run import Run

logger = logging.getLogger(__name__)


@dataclass
class Version:
    """One of the trainings.

    Attributes:
        trainer: with parameters, learning rate and optimiser of its own.
        parameters: by their names in the model.
        fixed: what a warm-up chose at this rate, by name.
        selection: the same, by mixer.
        losses: of the steps taken.
        stopped: why the training ended early, if it did.
    """

    trainer: Trainer
    parameters: dict[str, nn.Parameter]
    fixed: dict[str, Tensor] = field(default_factory=dict)
    selection: dict[str, Selection] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    stopped: Diverged | None = None

    def put_into(self, run: Run) -> None:
        """Give the run's model the values of this version, and the run its recipe and step."""
        restore(run.trained, self.parameters)
        restore({name: run.fixed[name] for name in self.fixed}, self.fixed)
        run.selection, run.recipe, run.progress.step = self.selection, self.trainer.recipe, self.trainer.step

    def history(self, points: int = 10) -> list[dict[str, float]]:
        """The mean loss and the gradient's norm since the point before, at some points of the training."""
        ends = sorted({len(self.losses) * point // points for point in range(1, points + 1)} - {0})
        parts = zip([0, *ends], ends, strict=False)
        norms = self.trainer.norms
        return [{"step": end, **summary(self.losses[start:end], norms[start:end])} for start, end in parts]


def train_at_best(run: Run, rates: Sequence[float]) -> None:
    """Train a run at several learning rates, each to the end, and keep the one with the highest validation score.

    What each came to stands in the run's `search`; the run's recipe has the chosen rate.

    Raises:
        Diverged: at every rate.
        NotTogether: the method or the model cannot do this.
    """
    run.memory.start()
    versions = train_side_by_side(run, rates, [None] * len(rates))
    run.memory.stop()
    entries = [outcome(run, version) for version in versions]
    chosen, why = choose(entries)
    if chosen is None:
        raise Diverged(why, max(version.trainer.step for version in versions))
    best = versions[rates.index(chosen)]
    best.put_into(run)
    run.search = {"learning_rate": chosen, "protocol": protocol(run), "rates": entries}
    progress, score = run.progress, entries[rates.index(chosen)]["score"]
    progress.best_step = progress.step
    progress.history, progress.best_score = best.history(), score
    progress.history[-1]["val_score"] = score


def outcome(run: Run, version: Version) -> dict[str, Any]:
    """What a learning rate came to: `status`, and its validation score or why there is none."""
    rate = version.trainer.recipe.learning_rate
    if version.stopped:
        return diverged(rate, version.stopped)
    version.put_into(run)
    try:
        score = run.validation_score()
    except Diverged as error:
        return diverged(rate, error)
    return ended(rate, score, fmean(version.losses), version.trainer.step)


def ended(rate: float, score: float, train_loss: float, steps: int) -> dict[str, Any]:
    """What is noted of a learning rate that was trained to the end."""
    loss = round(train_loss, 6)
    return {"learning_rate": rate, "status": "ok", "score": score, "train_loss": loss, "steps": steps}


def diverged(rate: float, error: Diverged) -> dict[str, Any]:
    """What is noted of a learning rate at which the training was stopped."""
    return {"learning_rate": rate, "status": "diverged", "message": str(error), "steps": error.step}


def protocol(run: Run) -> dict[str, Any]:
    """How learning rates are tried, and what a score is of."""
    return {
        "epochs": run.recipe.epochs,
        "steps": run.total_steps,
        "batch_size": run.recipe.batch_size,
        "precision": run.recipe.precision,
        "train_examples": len(run.problem.splits["train"]),
        "val_examples": len(run.problem.splits["val"]),
        "score": run.task.headline,
        "seed": run.cell.seed,
    }


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
    versions = []
    for rate, watch, chosen in zip(rates, watches, _warm_up(run, rates), strict=True):
        parameters = _copies(run.trained)
        groups = parameter_groups(run.model, rate, parameters)
        trainer = Trainer(groups, replace(run.recipe, learning_rate=rate), run.total_steps, watch)
        versions.append(replace(chosen, trainer=trainer, parameters=parameters, losses=[]))
    with run.timers["train"]:
        _train(run, versions, run.total_steps)
    return versions


def _warm_up(run: Run, rates: Sequence[float]) -> list[Version]:
    """For each rate a version with what the warm-up chose there; the recipe may have one rate of warm-ups for all."""
    own = run.recipe.selection_rate
    warmup, tried = begin_warmup(run.model), rates if own is None else [own]
    versions = []
    for rate in tried:
        parameters = _copies(run.trained)
        groups = [{"params": list(parameters.values()), "lr": rate}]
        versions.append(Version(Trainer(groups, replace(run.recipe, learning_rate=rate), run.total_steps), parameters))
    if warmup is not None:
        with run.timers["selection_train"]:
            _train(run, versions, run.selection_steps)
        with run.timers["selection_choose"]:
            for version in versions:
                # the choice at the rate before has ended the warm-up
                warmup = warmup or begin_warmup(run.model)
                restore(run.trained, version.parameters)
                version.selection, warmup = select(run.model, warmup), None
                version.fixed = snapshot(run.fixed)
    return versions if own is None else versions * len(rates)


def _train(run: Run, versions: list[Version], steps: int) -> None:
    """Take steps with all versions; no `loop.fit`, for one forward serves several trainers, which stop one by one."""
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
        kept = []
        for index, (version, loss) in enumerate(zip(going, losses.tolist(), strict=True)):
            with _stopping(version):
                version.trainer.check(loss)
                version.losses.append(loss)
                kept.append(index)
        losses[kept].sum().backward()
        for index in kept:
            with _stopping(going[index]):
                going[index].trainer.update()


@contextmanager
def _stopping(version: Version) -> Iterator[None]:
    """Let a version that diverges stop, and the others go on."""
    try:
        yield
    except Diverged as error:
        version.stopped = error


def _copies(parameters: dict[str, nn.Parameter]) -> dict[str, nn.Parameter]:
    return {name: nn.Parameter(value) for name, value in snapshot(parameters).items()}
