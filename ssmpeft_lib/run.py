"""One cell, from its name to its metrics.json. The only module that sees models, methods and data together."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from . import provenance
from .adaptation import adapt, count, parameter_groups
from .adapters.method import Method, build_method
from .adapters.selection import Selection
from .adapters.sparse import Sparse
from .encode import load_prepared
from .metrics import score_all
from .models import load_checkpoint
from .plan import paths
from .plan.cell import Cell
from .plan.results import RESULTS_VERSION, write_metrics, write_text
from .tasks import Task
from .training.checkpoint import Checkpoint
from .training.loop import Progress, Timer, Trainer, restore, snapshot
from .training.recipe import Recipe, recipe_for
from .training.text import TextProblem
from .warmup import begin_warmup, select


@dataclass
class Run:
    """A cell being run.

    Attributes:
        cell, method, task, recipe: what is run, and with which numbers.
        model: the network; adapted once `adapt` was called.
        problem: losses and answers on the cell's data.
        data: sizes, lengths and the source of the data, for metrics.json.
        progress: where training stands.
        scores, answers, seconds: of each split that was scored.
        selection: the channels and states that a warm-up chose, by mixer.
    """

    cell: Cell
    method: Method
    task: Task
    recipe: Recipe
    model: nn.Module
    problem: TextProblem
    data: dict[str, Any]
    progress: Progress = field(default_factory=Progress)
    scores: dict[str, dict] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    selection: dict[str, Selection] = field(default_factory=dict)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run; none where nothing is trained."""
        if self.method.learning_rate == 0:
            return 0
        return self.recipe.steps or self.recipe.epochs * self.problem.steps_an_epoch

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

    def train(self, folder: Path | None = None) -> Progress:
        """Train, score the validation set after each epoch, and leave the model as it was after the best one.

        Args:
            folder: where checkpoints of a long run go; a run that finds one there goes on from it.
        """
        if not self.total_steps:
            return self.progress
        checkpoint = Checkpoint(Path(folder) / "checkpoint.pt") if folder else None
        found = checkpoint.load() if checkpoint else None
        timer, losses = Timer(self.progress.seconds), []
        torch.manual_seed(self.cell.seed)
        if found is None:
            with timer:
                self._warm_up()
        groups = parameter_groups(self.model, self.recipe.learning_rate)
        trainer = Trainer(groups, self.recipe, self.total_steps)
        best = snapshot(self.trained) if found is None else self._resume(trainer, timer, found)
        every = self._steps_between_validations()
        steps = self.problem.losses(self.cell.seed, trainer.step)
        while trainer.step < self.total_steps:
            with timer:
                self.model.train()
                losses.append(trainer.take(next(steps)))
            if trainer.step % every == 0 or trainer.step == self.total_steps:
                self.progress.step, self.progress.seconds = trainer.step, timer.seconds
                if self._validate(losses):
                    best = snapshot(self.trained)
                losses.clear()
                if checkpoint and checkpoint.due:
                    checkpoint.save(trainer, self.progress, self.trained, best, self.fixed)
        restore(self.trained, best)
        return self.progress

    def score(self, split: str) -> dict[str, Any]:
        """Ask the model every example of a split and score its answers."""
        start = perf_counter()
        answers = self.problem.answers(split)
        self.scores[split] = score_all(self.task, answers, self.problem.splits[split].examples)
        self.answers[split] = answers
        self.seconds[split] = perf_counter() - start
        return self.scores[split]

    def save(self, folder: Path) -> Path:
        """Write predictions.jsonl, and metrics.json last; returns the path of metrics.json."""
        folder = Path(folder)
        write_text(folder / "predictions.jsonl", "".join(self._prediction_lines()))
        target = folder / "metrics.json"
        write_metrics(target, self.metrics())
        Checkpoint(folder / "checkpoint.pt").remove()
        return target

    def metrics(self) -> dict[str, Any]:
        """The contents of metrics.json."""
        return {
            "schema": 1,
            "status": "ok",
            "cell": str(self.cell),
            "recipe": self.recipe.as_dict(),
            "data": self.data,
            **self.scores,
            "cost": {
                **count(self.model),
                "steps": self.progress.step,
                "train_seconds": round(self.progress.seconds, 4),
                **{f"{split}_seconds": round(seconds, 4) for split, seconds in self.seconds.items()},
                "peak_memory_mb": provenance.peak_memory_mb(),
            },
            "history": self.progress.history,
            "made_by": {"results_version": RESULTS_VERSION, **provenance.environment(self.model)},
        }

    def _warm_up(self) -> None:
        """Let a method that selects choose what it trains, by a short training that is undone (Algorithm 1)."""
        warmup = begin_warmup(self.model)
        if warmup is None:
            return
        self.model.train()
        groups = [{"params": warmup.parameters, "lr": self.recipe.learning_rate}]
        # the schedule's horizon is the whole run, as in the authors' code
        trainer = Trainer(groups, self.recipe, self.total_steps)
        steps = self.problem.losses(self.cell.seed)
        while trainer.step < self.recipe.selection_steps:
            trainer.take(next(steps))
        self.selection = select(self.model, warmup)

    def _resume(self, trainer: Trainer, timer: Timer, found: dict) -> dict[str, Tensor]:
        """Go on from a checkpoint; returns the parameters of the best validation so far."""
        restore(self.trained, found["trained"])
        restore(self.fixed, found["fixed"])
        trainer.resume(found["optimizer"], found["step"])
        self.progress = Progress(**found["progress"])
        timer.seconds = self.progress.seconds
        torch.set_rng_state(found["random"])
        if found["random_cuda"]:
            torch.cuda.set_rng_state_all(found["random_cuda"])
        return found["best"]

    def _validate(self, losses: list[float]) -> bool:
        score = self.score("val")["score"]
        step, loss = self.progress.step, sum(losses) / len(losses)
        self.progress.history.append({"step": step, "train_loss": round(loss, 6), "val_score": score})
        if score <= self.progress.best_score:
            return False
        self.progress.best_step, self.progress.best_score = step, score
        return True

    def _steps_between_validations(self) -> int:
        if self.recipe.steps:
            return max(1, self.recipe.steps // self.recipe.evaluations)
        return self.problem.steps_an_epoch

    def _prediction_lines(self) -> list[str]:
        lines = []
        for split, answers in self.answers.items():
            for index, (answer, example) in enumerate(zip(answers, self.problem.splits[split].examples, strict=True)):
                references = list(example.references or (example.label,))
                row = {"split": split, "index": index, "answer": answer, "references": references}
                lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        return lines


def open_run(
    cell: Cell | str,
    results: Path = Path("results"),
    overrides: dict[str, Any] | str = "{}",
    learning_rate: str | Path = "",
    threads: int = 1,
) -> Run:
    """Load what a cell needs: its stand-in or checkpoint, its encoded data, its method, its numbers.

    Args:
        cell: the cell or its text.
        results: the results directory, which holds models and encoded data below the scale's name.
        overrides: of the recipe, from config.yaml; a dict, or JSON.
        learning_rate: file that a learning-rate search wrote, or empty.
        threads: of torch, on a CPU.
    Raises:
        LookupError: a word of the cell's name is unknown.
        FileNotFoundError: the model or the data were not prepared; names the rule's command.
    """
    cell = Cell.parse(cell) if isinstance(cell, str) else cell.check()
    torch.set_num_threads(threads)
    torch.manual_seed(cell.seed)
    results = Path(results)
    tokenizer = paths.tokenizer_of(cell.scale, cell.model)
    prepared = load_prepared(results / paths.data_file(cell.scale, cell.dataset, tokenizer))
    overrides = json.loads(overrides) if isinstance(overrides, str) else overrides
    searched = json.loads(Path(learning_rate).read_text())["learning_rate"] if learning_rate else None
    method = build_method(cell.method)
    recipe = recipe_for(cell, method, prepared.task, overrides, searched)
    checkpoint = load_checkpoint(cell.model, cell.dataset, cell.scale, results)
    decode = Tokenizer.from_file(str(checkpoint.tokenizer)).decode
    problem = TextProblem(checkpoint.network, prepared.task, prepared.splits, decode, checkpoint.eos, recipe)
    return Run(cell, method, prepared.task, recipe, checkpoint.network, problem, prepared.description)


def adapt_run(run: Run) -> dict[str, int | float]:
    """Attach the method to the run's model; returns what is trained."""
    adapt(run.model, run.method)
    return count(run.model)
