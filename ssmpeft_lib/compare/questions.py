"""The questions of `workflow/questions.yaml`, answered from the results of scale real."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from scipy import stats

from ..plan import paths
from ..plan.cell import Cell
from ..plan.exhibit import Exhibit
from ..plan.reading import read_yaml
from ..plan.results import read_metrics
from ..plan.schema import check_against_schema
from .paired_bootstrap import BySeed, paired_effect, seeds_needed
from .values import interval

SIDES = ("ahead", "behind")

NO_DIFFERENCE = 1.0
"""Points within which the interval of a difference has to lie for there to be none."""

SAME_ORDER, OTHER_ORDER = 0.8, 0.5
"""Kendall's tau from which two orders count as the same, and below which as others."""

ORDER_DRAWS = 2000


class Runs:
    """The results of some planned cells.

    Args:
        folder: a results directory.
        planned: every cell of the protocol, run or not.
    """

    def __init__(self, folder: Path, planned: Iterable[Cell]):
        self.planned = sorted(planned)
        self.metrics: dict[tuple[str, str, str], dict[int, dict[str, Any]]] = {}
        for cell in self.planned:
            found = self.metrics.setdefault((cell.model, cell.method, cell.dataset), {})
            path = folder / paths.metrics_file(cell)
            if path.exists() and (metrics := read_metrics(path))["status"] == "ok" and "score" in metrics["test"]:
                found[cell.seed] = metrics

    def methods(self, model: str, dataset: str, globs: Iterable[str]) -> list[str]:
        """Name the planned methods that one of some globs matches."""
        known = {method for one, method, data in self.metrics if (one, data) == (model, dataset)}
        return sorted(method for method in known if any(fnmatchcase(method, glob) for glob in globs))

    def of(self, model: str, method: str, dataset: str) -> dict[int, dict[str, Any]]:
        """Return the results of a planned method by seed."""
        return self.metrics[model, method, dataset]


def load_questions(path: Path) -> dict[str, Any]:
    """Read and check a file of questions.

    Raises:
        ValueError: it does not follow its schema; names the key.
    """
    spec = read_yaml(path)
    check_against_schema(spec, "questions", path)
    return spec


def answered(spec: Mapping[str, Any], runs: Runs, exhibits: Path) -> list[dict[str, Any]]:
    """Answer every question of a file.

    Args:
        spec: contents of the file.
        runs: the results.
        exhibits: folder of the tables' specs, for the sizes of printed effects.
    Returns:
        for each question its `number`, `asks`, `effect` in words, and `answers`: of each contrast its `label`, which
        data sets are `missing` and why, and, where any has results, what `Effect` holds, the methods `chosen` for each
        data set, the `verdict`, the `printed` effect and the `seeds_needed` to tell one of its size.
    """
    return [_answered(question, spec, runs, exhibits) for question in spec["questions"]]


def _answered(question: Mapping[str, Any], spec: Mapping[str, Any], runs: Runs, exhibits: Path) -> dict[str, Any]:
    model, datasets = question.get("model", spec["model"]), question.get("datasets", spec["datasets"])
    if "order" in question:
        answers = [_order(runs, model, datasets, question["order"])]
    else:
        kind = question.get("verdict", "above")
        answers = []
        for contrast in question["contrasts"]:
            answer = _contrast(runs, model, datasets, contrast, kind)
            printed = printed_effect(exhibits, question.get("printed", {}), question.get("printed_as", contrast))
            answers.append(answer | _needed(answer, printed))
    words = {key: question[key] for key in ("number", "asks", "effect")}
    return words | {"model": model, "datasets": datasets, "answers": answers}


def _contrast(
    runs: Runs, model: str, datasets: Iterable[str], contrast: Mapping[str, Any], kind: str
) -> dict[str, Any]:
    chosen, missing, sides = {}, {}, {side: {} for side in SIDES}
    for dataset in datasets:
        methods = {side: runs.methods(model, dataset, contrast[side]) for side in SIDES}
        without = [method for names in methods.values() for method in names if not runs.of(model, method, dataset)]
        if without or not all(methods.values()):
            missing[dataset] = f"no result of {', '.join(without) or 'any method of one side'}"
            continue
        chosen[dataset] = {side: _best(runs, model, dataset, methods[side]) for side in SIDES}
        for side in SIDES:
            sides[side][dataset] = _scores(runs.of(model, chosen[dataset][side], dataset))
    answer = {"label": contrast.get("label", ""), "missing": missing}
    if not chosen:
        return answer
    effect = paired_effect(sides["ahead"], sides["behind"])
    return answer | asdict(effect) | {"chosen": chosen, "verdict": verdict(effect.interval, kind)}


def verdict(interval: tuple[float, float], kind: str = "above") -> str:
    """Return `holds`, `fails`, `differs`, `same` or `unclear` by where an interval lies, see book/small-models.md."""
    low, high = interval
    apart = low > 0 or high < 0
    if kind == "difference":
        return "differs" if apart else "same" if max(-low, high) <= NO_DIFFERENCE else "unclear"
    return "unclear" if not apart else "holds" if low > 0 else "fails"


def printed_effect(exhibits: Path, columns: Mapping[str, Iterable[str]], contrast: Mapping[str, Any]) -> float | None:
    """Compute the mean difference, in printed columns, between the best methods of two sides; None without a column.

    Raises:
        LookupError: a table has no such column.
        ValueError: a column prints no number for one side.
    """
    differences = []
    for name, labels in columns.items():
        exhibit = Exhibit.load(exhibits / f"{name}.yaml")
        for place in map(exhibit.column, labels):
            points = [points[place] for _, points in exhibit.point_rows()]
            best = {side: _best_printed(points, contrast[side], f"{name}: {labels}") for side in SIDES}
            differences.append(best["ahead"] - best["behind"])
    return fmean(differences) if differences else None


def _best_printed(points: Iterable[Any], globs: Iterable[str], where: str) -> float:
    values = [
        point.printed.value
        for point in points
        if point.printed and any(fnmatchcase(point.method, glob) for glob in globs)
    ]
    if not values:
        raise ValueError(f"workflow/questions.yaml: printed: {where} has no printed number for {', '.join(globs)}")
    return max(values)


def _needed(answer: Mapping[str, Any], printed: float | None) -> dict[str, Any]:
    if printed is None:
        return {}
    known = answer.get("spread") is not None
    return {"printed": round(printed, 2)} | ({"seeds_needed": seeds_needed(printed, answer["spread"])} if known else {})


def _best(runs: Runs, model: str, dataset: str, methods: Iterable[str]) -> str:
    """The method with the best mean score on validation data, of equal ones the first by name."""

    def score(method: str) -> float:
        return fmean(metrics["val"]["score"] for metrics in runs.of(model, method, dataset).values())

    return max(methods, key=score)


def _scores(by_seed: Mapping[int, Mapping[str, Any]]) -> BySeed:
    return {
        seed: [metrics["test"]["score"], *metrics["test"].get("replicates", {}).get("score", [])]
        for seed, metrics in by_seed.items()
    }


def _order(runs: Runs, model: str, datasets: list[str], globs: Iterable[str]) -> dict[str, Any]:
    """Kendall's tau between the orders of methods by two ways of scoring, with an interval over seeds."""
    table, missing = [], {}
    methods = sorted({method for dataset in datasets for method in runs.methods(model, dataset, globs)})
    for method in methods:
        found = {dataset: runs.metrics.get((model, method, dataset), {}) for dataset in datasets}
        if without := [dataset for dataset, by_seed in found.items() if not by_seed]:
            missing[method] = f"no result on {', '.join(without)}"
            continue
        seeds = sorted(set.intersection(*(set(by_seed) for by_seed in found.values())))
        table.append([np.mean([_two_scores(found[name][seed]) for name in datasets], axis=0) for seed in seeds])
    answer: dict[str, Any] = {"label": "", "missing": missing}
    if len(table) < 2:
        return answer
    fewest = min(map(len, table))
    scores = np.array([row[:fewest] for row in table])
    chance = np.random.default_rng(0)
    drawn = [_tau(scores[:, chance.integers(fewest, size=fewest)]) for _ in range(ORDER_DRAWS)]
    tau = _tau(scores)
    found = "holds" if tau >= SAME_ORDER else "fails" if tau < OTHER_ORDER else "unclear"
    return answer | {
        "tau": tau,
        "interval": interval(drawn),
        "methods": len(table),
        "seeds": fewest,
        "verdict": found,
    }


def _two_scores(metrics: Mapping[str, Any]) -> tuple[float, float]:
    """A test score as generated, and with the label chosen among the label words."""
    among = metrics["test"]["among_labels"]
    return metrics["test"]["score"], next(iter(among.values()))


def _tau(scores: np.ndarray) -> float:
    """Of methods' mean scores, [methods, seeds, 2]; 1 where one side has no order to differ in."""
    tau = stats.kendalltau(*scores.mean(axis=1).T).statistic
    return 1.0 if np.isnan(tau) else float(tau)
