"""A cell being run: its training, its scores, its metrics.json."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..adapters.api import count, parameter_groups
from ..adapters.deltas import Delta
from ..adapters.method import Method
from ..adapters.select_by_warmup import begin_warmup, select
from ..adapters.selection.budget import Selection
from ..adapters.sparse import Sparse
from ..adapters.storage import save as save_adapter
from ..data._task import Task
from ..metrics import score_all
from ..plan import code, registry
from ..plan.atomic import write_text
from ..plan.cell import Cell
from ..plan.paths import CHECKPOINT, METRICS
from ..plan.results import RESULTS_VERSION, write_metrics
from ..training import provenance
from ..training.checkpoint import Checkpoint
from ..training.loop import Progress, Timer, Trainer, Watch, diverged, fit, restore, snapshot, summary
from ..training.memory import PeakMemory
from ..training.problem import Problem
from ..training.progress_log import ProgressLog
from ..training.recipe import Recipe
from .many_rates import train_at_best


@dataclass
class Run:
    """A cell being run.

    Attributes:
        cell, method, task, recipe: what is run, and with which numbers.
        model: the network; adapted once `adapt` was called.
        problem: losses and answers on the cell's data.
        data: sizes, lengths and the source of the data, for metrics.json.
        progress: where training stands.
        scores, answers: of each split that was scored.
        timers, memory: what it costs.
        selection: the channels and states that a warm-up chose, by mixer.
        search: what the search found that picked the learning rate; empty where there was none.
        inputs: digests of everything that the numbers are made from, by what it is; a checkpoint belongs to them.
    """

    cell: Cell
    method: Method
    task: Task
    recipe: Recipe
    model: nn.Module
    problem: Problem
    data: dict[str, Any]
    progress: Progress = field(default_factory=Progress)
    scores: dict[str, dict] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=lambda: defaultdict(Timer))
    memory: PeakMemory = field(default_factory=PeakMemory)
    selection: dict[str, Selection] = field(default_factory=dict)
    search: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run; none where nothing is trained."""
        if self.method.learning_rate == 0:
            return 0
        return self.recipe.steps or self.recipe.epochs * self.problem.steps_an_epoch

    @property
    def selection_steps(self) -> int:
        """Steps of the warm-up that chooses dimensions; no more than the run has."""
        return min(self.recipe.selection_steps, self.total_steps)

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that are trained, by name."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    @property
    def fixed(self) -> dict[str, Tensor]:
        """What a warm-up chose: the indices of sparse deltas, by name."""
        return {
            f"{path}.{name}": buffer
            for path, module in self.model.named_modules()
            if isinstance(module, Sparse)
            for name, buffer in module.named_buffers()
        }

    def train(self, folder: Path | None = None, to_the_end: bool = False) -> Progress:
        """Train, score the validation set after each epoch, and leave the model as it was after the best one.

        A recipe with several learning rates is trained at all of them instead, and the best is kept.

        Args:
            folder: where checkpoints of a long run go; a run that finds one there goes on from it.
            to_the_end: whether a run whose loss has run away goes on; one whose loss is no number never does.
        Raises:
            Diverged: the loss, its gradient or the answers are NaN or infinite, or the loss has run away.
        """
        if not self.total_steps:
            return self.progress
        if self.recipe.learning_rates:
            train_at_best(self, self.recipe.learning_rates)
            return self.progress
        checkpoint = Checkpoint(Path(folder) / CHECKPOINT, self.inputs) if folder else None
        found = checkpoint.load() if checkpoint else None
        torch.manual_seed(self.cell.seed)
        self.memory.start()
        if found is None:
            self._warm_up()
        groups = parameter_groups(self.model, self.recipe.learning_rate)
        watch = None if to_the_end else Watch(self.problem.uniform_loss)
        trainer = Trainer(groups, self.recipe, self.total_steps, watch)
        best = snapshot(self.trained) if found is None else self._resume(trainer, found)
        log = ProgressLog(str(self.cell), self.total_steps, trainer.step)

        def validate(losses: list[float]) -> None:
            nonlocal best
            self.progress.step, self.progress.seconds = trainer.step, self.timers["train"].seconds
            if self._validate(losses, trainer.norms):
                best = snapshot(self.trained)
            if checkpoint and checkpoint.due:
                checkpoint.save(trainer, self.progress, self.trained, best, self.fixed, self._told_of_warmup())
            trainer.norms.clear()

        fit(
            trainer,
            self.model,
            self.problem.losses(self.cell.seed, trainer.step),
            every=self._steps_between_validations(),
            report=validate,
            timer=self.timers["train"],
            after_step=lambda loss: log.step(trainer.step, loss, self.progress.best_score),
        )
        self.memory.stop()
        restore(self.trained, best)
        return self.progress

    def validation_score(self) -> float:
        """The headline score of the model as it is on the validation set.

        Raises:
            Diverged: a trained model answers with NaN or infinity.
            ValueError: the score is not defined for the answers.
        """
        with self.timers["validation"]:
            answers = self._answers("val")
            scores = score_all(self.task, answers, self.problem.examples("val"), intervals=False)
        if "score" not in scores:
            raise ValueError(f"{self.cell}: {self.task.headline} is not defined for the answers on val")
        return scores["score"]

    def score(self, split: str) -> dict[str, Any]:
        """Ask the model every example of a split and score its answers; nothing where the task has no scores."""
        if not self.task.metrics:
            return {}
        with self.timers[split]:
            self.answers[split] = self._answers(split)
        examples = self.problem.examples(split)
        self.scores[split] = score_all(self.task, self.answers[split], examples)
        if split in self.problem.among_labels:
            among = score_all(self.task, self.problem.among_labels[split], examples, intervals=False)
            self.scores[split]["among_labels"] = {name: among[name] for name in self.task.metrics}
        return self.scores[split]

    def save(self, folder: Path) -> Path:
        """Write predictions.jsonl, the adapter, and metrics.json last; returns the path of metrics.json."""
        folder = Path(folder)
        write_text(folder / "predictions.jsonl", "".join(self._prediction_lines()))
        if any(isinstance(module, Delta) for module in self.model.modules()):
            save_adapter(self.model, folder / "adapter")
        target = folder / METRICS
        write_metrics(target, self.metrics())
        (folder / CHECKPOINT).unlink(missing_ok=True)
        return target

    def metrics(self) -> dict[str, Any]:
        """The contents of metrics.json."""
        return {
            "schema": 1,
            "status": "ok",
            "cell": str(self.cell),
            "recipe": self.recipe.as_dict(),
            **({"search": self.search} if self.search else {}),
            "data": self.data,
            **self.scores,
            "cost": self.cost(),
            "history": self.progress.history,
            "made_by": {
                "results_version": RESULTS_VERSION,
                "code": code.digests(self.cell),
                **provenance.environment(self.model),
            },
        }

    def cost(self) -> dict[str, float]:
        """Parameters, seconds and memory (Tables 25 to 27 read `selection_*`, `train_seconds` and `peak_memory_gb`)."""
        cost = {**count(self.model), "steps": self.progress.step, "train_seconds": 0.0}
        cost |= {f"{name}_seconds": round(timer.seconds, 4) for name, timer in self.timers.items()}
        if self.selection:
            cost["selection_seconds"] = round(cost["selection_train_seconds"] + cost["selection_choose_seconds"], 4)
            epoch = cost["train_seconds"] / (1 if self.recipe.steps else self.recipe.epochs)
            cost["selection_share_of_1_epoch"] = round(cost["selection_seconds"] / epoch, 5)
            cost["selection_share_of_5_epochs"] = round(cost["selection_seconds"] / (5 * epoch), 5)
        if self.memory.peak_bytes is not None:
            cost["peak_memory_gb"] = round(self.memory.peak_bytes / 1e9, 6)
        return cost

    def _answers(self, split: str) -> list[str]:
        try:
            return self.problem.answers(split)
        except FloatingPointError as error:
            if not self.progress.step:
                raise
            raise diverged(str(error), self.progress.step, self.recipe.learning_rate) from None

    def _warm_up(self) -> None:
        """Let a method that selects choose what it trains, by a short training that is undone (Algorithm 1)."""
        warmup = begin_warmup(self.model)
        if warmup is None:
            return
        # the schedule's horizon is the whole run, as in the authors' code
        groups = [{"params": warmup.parameters, "lr": self.recipe.selection_rate or self.recipe.learning_rate}]
        trainer = Trainer(groups, self.recipe, self.total_steps)
        with self.timers["selection_train"]:
            fit(trainer, self.model, self.problem.losses(self.cell.seed), until=self.selection_steps)
        with self.timers["selection_choose"]:
            self.selection = select(self.model, warmup)

    def _resume(self, trainer: Trainer, found: dict) -> dict[str, Tensor]:
        """Go on from a checkpoint; returns the parameters of the best validation so far."""
        restore(self.trained, found["trained"])
        restore(self.fixed, found["fixed"])
        trainer.resume(found["optimizer"], found["step"], found["watch"])
        self.progress = Progress(**found["progress"])
        self.timers["train"].seconds = self.progress.seconds
        self.selection = {name: Selection(**made) for name, made in found["warmup"]["selection"].items()}
        for name, seconds in found["warmup"]["seconds"].items():
            self.timers[name].seconds = seconds
        torch.set_rng_state(found["random"])
        if found["random_cuda"]:
            torch.cuda.set_rng_state_all(found["random_cuda"])
        return found["best"]

    def _told_of_warmup(self) -> dict[str, Any]:
        """What was chosen and what that took, for a checkpoint."""
        chosen = {name: vars(made) for name, made in self.selection.items()}
        seconds = {name: timer.seconds for name, timer in self.timers.items() if name.startswith("selection_")}
        return {"selection": chosen, "seconds": seconds}

    def _validate(self, losses: list[float], norms: list[float]) -> bool:
        """Note how training goes; returns whether this is the best validation so far."""
        entry = {"step": self.progress.step, **summary(losses, norms)}
        self.progress.history.append(entry)
        if not self.task.metrics:
            return True
        entry["val_score"] = self.validation_score()
        if entry["val_score"] <= self.progress.best_score:
            return False
        self.progress.best_step, self.progress.best_score = self.progress.step, entry["val_score"]
        return True

    def _steps_between_validations(self) -> int:
        if self.recipe.steps:
            return ceil(self.recipe.steps / self.recipe.evaluations)
        return self.problem.steps_an_epoch

    def _prediction_lines(self) -> list[str]:
        """A line of JSON for each answer: where its example is from, the input if that is text, and the references."""
        text, lines = registry.dataset_facts(self.cell.dataset).modality == "text", []
        for split, answers in self.answers.items():
            for index, (answer, example) in enumerate(zip(answers, self.problem.examples(split), strict=True)):
                row = {"split": split, "index": index, "origin": example.origin}
                row |= {"input": example.input} if text else {}
                row |= {"answer": answer, "references": list(example.references or (example.label,))}
                lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        return lines
