"""Recorded runs of Figures 1 and 2, at every learning rate: a CSV file with one run a line, and a JSON file on it."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from io import StringIO
from math import inf, isfinite
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from ..plan.atomic import write_text
from ..plan.exhibit import Exhibit, load_exhibits
from ..plan.method_string import MethodString, value_of
from ..plan.registry import PACKAGE

RECORDED = PACKAGE.parent / "recorded" / "regression"
"""Runs that come with the repository."""

RECORDS_VERSION = 2
MODEL, METRIC = "s4-regression", "test.mse"

Run = dict[str, Any]


def figures() -> list[Exhibit]:
    """The two figures as exhibits, whose rows are what is run."""
    return load_exhibits(PACKAGE.parent / "workflow" / "exhibits", ["figure1", "figure2"])


def methods(rule: str) -> list[str]:
    """What is run for the figures: the methods of their rows.

    Args:
        rule: how dimensions are chosen: `paper`, as the rows say, for all methods; `upstream` for those that choose.
    """
    rows = dict.fromkeys(point.method for figure in figures() for point in figure.points)
    choose = [method.replace("rule=paper", f"rule={rule}") for method in rows if "rule=" in method]
    return list(rows) if rule == "paper" else choose


def labels() -> dict[tuple, str]:
    """What the figures call a method whatever its sizes, by what `_kind` says of it."""
    return {_kind(points[0].method): row["label"] for figure in figures() for row, points in figure.point_rows()}


def _kind(method: str) -> tuple:
    parsed = MethodString.parse(method)
    return parsed.name, parsed.targets, parsed.options.get("also", "")


def read_runs(path: Path) -> list[Run]:
    """The runs of a CSV file, one dictionary each; an error that is not finite is infinity."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: value_of(text) for name, text in row.items()} for row in csv.DictReader(file)]


def write_runs(path: Path, runs: Sequence[Run]) -> None:
    """Write runs as `read_runs` reads them."""
    text = StringIO()
    writer = csv.DictWriter(text, list(runs[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _text(value) for name, value in run.items()} for run in runs)
    write_text(path, text.getvalue())


def recorded(name: str, rule: str = "paper") -> list[Run]:
    """Runs that come with the repository, `one_sequence` or `fresh_sequences`, each with the `label` of its rows.

    Args:
        rule: by which dimensions are chosen, in methods that choose some.
    """
    known, runs = labels(), read_runs(RECORDED / f"{name}.csv")
    meant = [run for run in runs if MethodString.parse(run["method"]).options.get("rule", rule) == rule]
    return [run | {"label": known[_kind(run["method"])]} for run in meant]


def sizes(runs: Sequence[Run]) -> list[list[str]]:
    """How many sizes of each method there are, and the shares that they train, one row each."""
    rows = []
    for label in dict.fromkeys(run["label"] for run in runs):
        own = [run for run in runs if run["label"] == label]
        shares = sorted({run["share"] for run in own})
        between = " to ".join(f"{share:.1f}" for share in dict.fromkeys([shares[0], shares[-1]]))
        rows.append([label, str(len({run["method"] for run in own})), f"{between} %"])
    return rows


def about(*names: str) -> list[list[str]]:
    """How recorded runs were made, one row each: what, how many runs, processor time, machine, commit."""
    rows = []
    for name in names:
        made = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
        by = made["made_by"]
        minutes = f"{made['cpu_seconds'] / 60:.0f} minutes of one core"
        runs = f"{len(read_runs(RECORDED / f'{name}.csv'))} runs"
        rows.append([name.replace("_", " "), runs, minutes, by["device"], by["commit"]])
    return rows


def compared(again: Sequence[Run], runs: Sequence[Run]) -> list[list[str]]:
    """Errors of runs that were made again over those of before, one row for each learning rate.

    Returns:
        learning rate, number of runs, median of the ratios, and the smallest and the largest.
    """
    before = {_key(run): run["fresh_error"] for run in runs}
    ratios: dict[float, list[float]] = {}
    for run in again:
        ratios.setdefault(run["learning_rate"], []).append(run["fresh_error"] / before[_key(run)])
    return [
        [f"{rate:g}", str(len(found)), f"{median(found):.2f}", f"{min(found):.2f} to {max(found):.2f}"]
        for rate, found in sorted(ratios.items())
    ]


def _key(run: Run) -> tuple[str, int, float]:
    return run["method"], run["seed"], run["learning_rate"]


def points(exhibit: Exhibit, runs: Sequence[Run]) -> dict[str, dict[str, dict[str, Any]]]:
    """For each row and column of errors of a figure the `mean`, `std` and `by_seed`, at each seed's best learning rate.

    Raises:
        LookupError: a row that there are no runs of.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for point in exhibit.points:
        own = [run for run in runs if run["method"] == point.method]
        if not own:
            raise LookupError(f"{exhibit.path}: row {point.row!r} means {point.method}, and there is no run of that")
        if point.metric == METRIC:
            errors = {str(seed): best(own, "fresh_error", seed) for seed in seeds_of(own)}
            numbers = {"mean": fmean(errors.values()), "std": stdev(errors.values()), "by_seed": errors}
            found.setdefault(point.row, {})[point.column] = numbers
    return found


def best(runs: Sequence[Run], metric: str, seed: int, labels: Sequence[str] = (), budget: float = inf) -> float:
    """Smallest error on a seed within a budget, over sizes and learning rates of the methods of some labels, or all."""
    mine = [run for run in runs if run["seed"] == seed and run["share"] <= budget]
    errors = [run[metric] for run in mine if not labels or run["label"] in labels]
    return min((error for error in errors if isfinite(error)), default=inf)


def public_points() -> list[tuple[str, float, float]]:
    """The points of the paper's pictures: label, trained share in percent and error, each once."""
    rows = [(row["label"], *points) for figure in figures() for row, points in figure.point_rows()]
    found = [(label, share.printed.value, error.printed.value) for label, share, error in rows if error.printed]
    return list(dict.fromkeys(found))


def seeds_of(runs: Sequence[Run]) -> list[int]:
    """The seeds that occur among the runs, sorted."""
    return sorted({run["seed"] for run in runs})


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if isfinite(value) else "inf"
    return str(value)
