"""Results of cells, as the numbers that points name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ..plan import paths, registry
from ..plan.cell import Cell
from ..plan.exhibit import Point
from ..plan.results import MissingMetric, read_metrics, value_at
from .values import Value

OF_THE_DATA = ("data.", "recipe.epochs")
"""Beginnings of the metrics that all cells of a data set have in common, if their models read with one tokenizer."""

COSTS = ("train_seconds", "peak_memory_gb")
"""What a run costs, of metrics.json; its mean over the runs of a point stands beside the point's mean."""


@dataclass
class Results:
    """The metrics.json files of one folder and scale, each read once.

    Attributes:
        folder: a results directory, or `recorded/`, which is laid out like one.
        scale, seeds: whose results to read.
        notes: what is to be known about the scores that were read, with the cells that say so.
    """

    folder: Path
    scale: str
    seeds: range | list[int]
    notes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _known: dict[Cell, dict[str, Any] | None] = field(default_factory=dict)

    @classmethod
    def recorded(cls, folder: Path, scale: str = "paper") -> Results:
        """Take the results of a scale that are kept in the repository, with whatever seeds there are."""
        found = {path.name.removeprefix("seed") for path in Path(folder).glob(f"{scale}/cells/*/*/*/seed*")}
        return cls(Path(folder), scale, sorted(int(seed) for seed in found))

    def measured(self, point: Point) -> tuple[dict[str, Any], Value | None]:
        """What the cells of a point came to: for its page, and with what an interval is taken from.

        Returns:
            `cells`, `mean`, `std`, `by_seed`, `COSTS` and, for cells without a result, `problems`; and the same as a
            value.
        """
        by_seed: dict[int, list[list[float]]] = defaultdict(list)
        cells, problems, costs, told_by = point.cells(self.scale, self.seeds), [], [], []
        for cell in cells:
            metrics, source = self._read(cell), cell
            if (metrics is None or metrics["status"] == "failed") and point.metric.startswith(OF_THE_DATA):
                metrics, source = self._of_the_data(cell) or (metrics, cell)
            told_by.append(str(source))
            if metrics is None:
                problems.append(f"{cell}: not run")
            elif metrics["status"] == "failed":
                problems.append(f"{cell}: failed: {metrics['error']['type']}: {metrics['error']['message']}")
            else:
                try:
                    value = float(value_at(metrics, point.metric))
                    by_seed[cell.seed].append([value, *_replicates(metrics, point.metric)])
                    costs.append(metrics["cost"])
                    self._note(metrics, point.metric)
                except MissingMetric as missing:
                    problems.append(str(missing))
        members = len(registry.groups().get(point.dataset, (point.dataset,)))
        # an average over data sets counts for a seed only when every data set has its value
        complete = {seed: found for seed, found in sorted(by_seed.items()) if len(found) == members}
        ours: dict[str, Any] = {"cells": told_by}
        value = None
        if complete:
            averages = {seed: _average(found) for seed, found in complete.items()}
            means = {seed: average[0] for seed, average in averages.items()}
            value = Value(fmean(means.values()), by_seed=averages)
            ours |= {"mean": round(value.mean, 6), "by_seed": {str(s): round(v, 6) for s, v in means.items()}}
            ours["std"] = round(stdev(means.values()), 6) if len(means) > 1 else None
            known = [name for name in COSTS if all(name in cost for cost in costs)]
            ours |= {name: round(fmean(cost[name] for cost in costs), 3) for name in known}
        if problems:
            ours["problems"] = problems
        return ours, value

    def _of_the_data(self, cell: Cell) -> tuple[dict[str, Any], Cell] | None:
        """The results of the first other cell that ran on the same data with the same tokenizer, and that cell."""
        wanted = paths.tokenizer_of(cell.scale, cell.model)
        for path in sorted(self.folder.glob(f"{cell.scale}/cells/*/*/{cell.dataset}/seed{cell.seed}/{paths.METRICS}")):
            model, method = path.parts[-5:-3]
            other = replace(cell, model=model, method=method)
            if model in registry.entries("models") and paths.tokenizer_of(other.scale, model) == wanted:
                metrics = self._read(other)
                if metrics and metrics["status"] == "ok":
                    return metrics, other
        return None

    def _note(self, metrics: dict[str, Any], metric: str) -> None:
        split, _, name = metric.partition(".")
        for of, note in metrics.get(split, {}).get("note", {}).items():
            if name in (of, "score") and metrics["cell"] not in self.notes[note]:
                self.notes[note].append(metrics["cell"])

    def _read(self, cell: Cell) -> dict[str, Any] | None:
        if cell not in self._known:
            path = self.folder / paths.metrics_file(cell)
            self._known[cell] = read_metrics(path) if path.exists() else None
        return self._known[cell]


def _replicates(metrics: dict[str, Any], metric: str) -> list[float]:
    """A score on resampled examples; none where it was not resampled."""
    split, _, name = metric.partition(".")
    return metrics.get(split, {}).get("replicates", {}).get(name, [])


def _average(found: list[list[float]]) -> list[float]:
    """The average over data sets, and that of each resample where all were resampled."""
    count = min(len(values) for values in found)
    return [fmean(values[i] for values in found) for i in range(count)]
