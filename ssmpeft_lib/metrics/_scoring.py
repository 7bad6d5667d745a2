"""From predictions to the scores, their variants and their confidence intervals that enter metrics.json."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ..data._task import Example, Task
from ..plan import registry
from ..plan.unknown import unknown

Reduce = Callable[[np.ndarray], dict[str, np.ndarray]]

RESAMPLES = 1000
REPLICATES = 200
LEVEL = 0.95


def score_all(
    task: Task, predictions: Sequence[str], examples: Sequence[Example], intervals: bool = True
) -> dict[str, Any]:
    """Every score of a task, in every variant that applies.

    Args:
        task: names the metrics, the label words and the headline.
        predictions: answers as text, one for each example.
        examples: what was asked.
        intervals: whether to bootstrap confidence intervals; choosing an epoch needs none.
    Returns:
        `score`, the headline; each metric's scores by name; under the name of each further variant, its scores;
        `variant`, what exactly was computed; `ci`, 95 % intervals as [low, high], those of a further variant as
        `upstream.accuracy`; `replicates`, each score and the headline on resampled examples; `n`, the number of
        examples; `answers`, how many different ones there are and the share of the most frequent, which is given where
        the task has labels; `note`, by metric, what to know about its score. A score that is not defined is left out.
    Raises:
        ValueError: there are no examples, or not one prediction for each.
    """
    examples = list(examples)
    found: dict[str, Any] = {"variant": {}, "ci": {}, "replicates": {}, "n": len(examples)}
    found["answers"] = summary(predictions, bool(task.labels))
    for name in task.metrics:
        metric = load(name)
        for position, variant in enumerate(variants(metric, examples)):
            table = checked(metric.statistics, predictions, examples, variant, task.labels)
            prefix = f"{variant}." if position else ""
            target = found.setdefault(variant, {}) if position else found
            target.update(total(table, metric.reduce))
            found["variant"][f"{prefix}{name}"] = metric.describe(variant)
            if note := getattr(metric, "note", lambda sums: "")(table.sum(0)):
                found.setdefault("note", {})[f"{prefix}{name}"] = note
            if intervals:
                found["ci"].update({prefix + key: ci for key, ci in bootstrap(table, metric.reduce).items()})
            if intervals and not position:
                found["replicates"].update(replicates(table, metric.reduce))
    if task.headline in found:
        found["score"] = found[task.headline]
        if task.headline in found["replicates"]:
            found["replicates"]["score"] = found["replicates"][task.headline]
    return found


def missing(task: Task) -> list[str]:
    """What is not there of the data that a task's metrics use; a sentence each."""
    return [text for name in task.metrics if (text := getattr(load(name), "missing", lambda: "")())]


def summary(predictions: Sequence[str], show: bool) -> dict[str, Any]:
    """How many different answers there are, and the share of the most frequent, in percent.

    Args:
        show: whether to give that answer too. A generated text is part of the predictions alone.
    """
    if not predictions:
        return {}
    counts = Counter(predictions)
    answer, times = counts.most_common(1)[0]
    found = {"distinct": len(counts), "most_frequent_pct": round(100 * times / len(predictions), 2)}
    return found | ({"most_frequent": answer} if show else {})


def load(name: str) -> ModuleType:
    """The module of a metric.

    Raises:
        LookupError: there is no such metric; says what there is.
    """
    if name not in registry.files("metrics"):
        raise LookupError(registry.unknown("metric", name, registry.files("metrics"), "ssmpeft_lib/metrics/"))
    return importlib.import_module(f"ssmpeft_lib.metrics.{name}")


def variants(metric: ModuleType, examples: Sequence[Example]) -> list[str]:
    """The variants of a metric that can be computed for these examples."""
    applies = getattr(metric, "applies", lambda variant, examples: True)
    return [variant for variant in metric.VARIANTS if applies(variant, examples)]


def checked(
    statistics: Callable[..., np.ndarray],
    predictions: Sequence[str],
    examples: Sequence[Example],
    variant: str,
    labels: Sequence[str],
) -> np.ndarray:
    """Statistics of each example, after a check that there is one prediction for each."""
    if not examples:
        raise ValueError("there are no examples to score")
    if len(predictions) != len(examples):
        raise ValueError(f"{len(predictions)} predictions for {len(examples)} examples; there must be one for each")
    return statistics(predictions, examples, variant, labels)


def total(table: np.ndarray, reduce: Reduce) -> dict[str, float]:
    """Scores of all examples together; those that are not defined are left out."""
    return {name: float(value) for name, value in reduce(table.sum(0)).items() if np.isfinite(value)}


def bootstrap(table: np.ndarray, reduce: Reduce, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, list[float]]:
    """Percentile intervals of every score, from examples drawn with replacement.

    Args:
        table: statistics of each example, [examples, k].
        reduce: from sums to scores.
    """
    rows, counts = np.unique(table, axis=0, return_counts=True)
    # Drawing n of n examples is drawing how often each distinct row occurs.
    rng = np.random.default_rng(seed)
    chunk = max(1, 10_000_000 // len(rows))
    sums = np.concatenate(
        [
            rng.multinomial(len(table), counts / len(table), size=min(chunk, resamples - start)) @ rows
            for start in range(0, resamples, chunk)
        ]
    )
    tails = [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2]
    with np.errstate(all="ignore"):
        drawn = {name: values[np.isfinite(values)] for name, values in reduce(sums).items()}
    return {
        name: [float(edge) for edge in np.percentile(values, tails)] for name, values in drawn.items() if values.size
    }


def replicates(table: np.ndarray, reduce: Reduce, count: int = REPLICATES) -> dict[str, list[float]]:
    """Every score on examples drawn with replacement, `count` times; a score that is not always defined is left out.

    The draws depend on the number of examples alone, so that two models on one data set are compared on the same ones.
    """
    rng = np.random.default_rng(len(table))
    sums = np.stack([table[rng.integers(len(table), size=len(table))].sum(0) for _ in range(count)])
    with np.errstate(all="ignore"):
        drawn = reduce(sums)
    return {name: np.round(values, 4).tolist() for name, values in drawn.items() if np.isfinite(values).all()}


def scorer(
    statistics: Callable[..., np.ndarray], reduce: Reduce, variants: Mapping[str, str]
) -> Callable[..., dict[str, float]]:
    """The `score` function of a metric module; `variants` is its `VARIANTS`, of which the first is the default."""
    default = next(iter(variants))

    def score(
        predictions: Sequence[str], examples: Sequence[Example], variant: str = default, labels: Sequence[str] = ()
    ) -> dict[str, float]:
        """Scores of predictions on a 0-100 scale, by name.

        Args:
            predictions: answers as text, one for each example.
            examples: what was asked.
            variant: one of the module's `VARIANTS`.
            labels: the label words of a classification; those that occur in the examples where empty.
        Raises:
            LookupError: there is no such variant; says what there is.
            ValueError: there are no examples, or not one prediction for each.
        """
        if variant not in variants:
            raise LookupError(unknown("variant", str(variant), variants, "this metric"))
        return total(checked(statistics, predictions, list(examples), variant, labels), reduce)

    return score
