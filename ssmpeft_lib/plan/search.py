"""The learning-rate search: which rates are tried, in which processes, and which one is chosen (Sec. C.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from . import registry
from .cell import Cell
from .method_string import MethodString

GRID = tuple(f"{digit}e-{decade}" for decade in range(1, 6) for digit in (4, 2, 1))
"""The paper's grid {4e-1, 2e-1, 1e-1, ..., 1e-5}, read as 4, 2, 1 in each decade."""

EPOCHS = 1
"""Passes over the search's training examples (Sec. C.1)."""

TRAIN_EXAMPLES = 2000
"""The paper searches on 1,000 to 2,000 instances."""

VAL_EXAMPLES = 500
"""Validation examples that a rate is judged by; the paper does not say how many."""

SEED = 0
"""Seed of the search; all seeds of a cell share its result."""

RATES_PATTERN = r"\d+e-\d+(?:\+\d+e-\d+)*"
"""Names of the rates of one process, joined by plus signs."""


def searched(cell: Cell, overrides: Mapping[str, Any]) -> bool:
    """Whether a search picks a cell's learning rate.

    It does not where nothing is trained or scored, where an override sets the rate, or where the data set's recipe has
    rates that every run tries itself.
    """
    method, facts = MethodString.parse(cell.method).name, registry.dataset_facts(cell.dataset)
    trains = registry.class_literal("methods", method, "learning_rate") > 0
    tries_itself = "learning_rates" in facts.recipe
    return trains and not facts.generated and not tries_itself and "learning_rate" not in overrides


def folder(cell: Cell) -> PurePosixPath:
    """Folder of a search, below the results directory; the seeds of a cell share it."""
    return PurePosixPath(cell.scale, "search", cell.model, cell.method, cell.dataset)


def processes(together: int, rates: Sequence[str] = GRID) -> list[str]:
    """Return the rates of each process, as `RATES_PATTERN` has them.

    Args:
        together: how many rates one process trains side by side.
        rates: those that are tried.
    """
    return ["+".join(rates[start : start + together]) for start in range(0, len(rates), together)]


def parse_rates(text: str) -> list[float]:
    """Rates from their names joined by plus signs.

    Raises:
        ValueError: a rate that is not a number above 0.
    """
    rates = [float(name) for name in text.split("+")]
    if min(rates) <= 0:
        raise ValueError(f"learning rates {text!r} must be above 0")
    return rates


def choose(entries: Iterable[Mapping[str, Any]]) -> tuple[float | None, str]:
    """The rate with the highest validation score, of equal ones the smallest, or None and why there is none.

    Args:
        entries: one for each rate: `learning_rate`, `status` (ok, diverged or failed), and `score` or `message`.
    """
    entries = sorted(entries, key=lambda entry: entry["learning_rate"])
    failed = [entry for entry in entries if entry["status"] == "failed"]
    if failed:
        first = failed[0]
        return (
            None,
            f"{len(failed)} of {len(entries)} rates failed, first {first['learning_rate']:g}: {first['message']}",
        )
    ended = [entry for entry in entries if entry["status"] == "ok"]
    if not ended:
        return None, f"all {len(entries)} rates diverged, down to {entries[0]['learning_rate']:g}"
    return max(ended, key=lambda entry: entry["score"])["learning_rate"], ""
