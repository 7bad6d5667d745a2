"""What the page on practice shows: recorded runs as tables, with the predictions and what became of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import Any

from IPython.display import HTML
from scipy import stats

from ...plan.registry import PACKAGE
from ...theory.practice import PLACES, STARTS
from .page import table

RECORDED = PACKAGE.parent / "recorded" / "practice.json"

Runs = dict[str, Any]


def recorded() -> Runs:
    """The runs that come with the repository."""
    return json.loads(RECORDED.read_text(encoding="utf-8"))


def copied(runs: Runs) -> HTML:
    """How far predictions are from those with a prefix when parts of what it leaves behind are put in its place."""
    found = runs["copied"]
    rows = [[name, _spread([run[name] for run in found], 4)] for name in found[0] if name != "seed"]
    return table(["put in the place of the prefix", "divergence of the predictions"], rows)


def starts(runs: Runs) -> HTML:
    """Loss on the test set of every start, each seed at its best rate."""
    rows = []
    for name in ("nothing trained", *STARTS):
        trained = next(run["trained"] for run in runs["starts"] if run["start"] == name)
        rows.append([name, str(trained), _spread(list(losses(runs, name).values()), 3)])
    return table(["", "numbers trained", "loss"], rows)


def imitation(runs: Runs) -> HTML:
    """Share of the teacher's divergence that is left, in percent; teachers down, students across."""
    rows = []
    for teacher in PLACES:
        shares = (list(left(runs, teacher, student).values()) if student != teacher else [] for student in PLACES)
        rows.append([teacher, *(_spread([100 * share for share in found], 1) if found else "" for found in shares)])
    return table(["trained on the task", *(f"{student} imitates, %" for student in PLACES)], rows)


def predictions(runs: Runs) -> HTML:
    """What the statements predict, seed by seed, and what became of it."""
    whole, state = losses(runs, "initial state and convolution"), losses(runs, "initial state")
    rows = [
        _verdict(f"{name}: an initial state with the convolution's is no worse", _pairs(whole, losses(runs, name)))
        for name in STARTS
        if name.startswith("prefix")
    ]
    rows.append(_verdict("An initial state alone is worse than one with the convolution's", _pairs(whole, state)))
    for place in list(PLACES)[1:]:
        ratio = _pairs(left(runs, place, "W_in"), left(runs, "W_in", place))
        rows.append(_verdict(f"W_in imitates {place} better than {place} imitates W_in", ratio))
    return table(["prediction", "difference (95 % interval)", "seeds", "verdict"], rows)


def losses(runs: Runs, start: str) -> dict[int, float]:
    """Loss of a start by seed, at the best rate."""
    return _best([run for run in runs["starts"] if run["start"] == start], "loss")


def left(runs: Runs, teacher: str, student: str) -> dict[int, float]:
    """Share of the divergence that a student leaves, by seed, at the best rate."""
    own = [run for run in runs["imitation"] if (run["teacher"], run["student"]) == (teacher, student)]
    return _best([run | {"share": run["left"] / run["before"]} for run in own], "share")


def _best(runs: Sequence[Runs], key: str) -> dict[int, float]:
    return {seed: min(run[key] for run in runs if run["seed"] == seed) for seed in sorted({r["seed"] for r in runs})}


def _pairs(first: dict[int, float], second: dict[int, float]) -> list[float]:
    return [first[seed] - second[seed] for seed in first]


def _verdict(says: str, differences: list[float]) -> list[str]:
    """A prediction holds where the first is smaller; unclear where the interval of the mean contains zero."""
    mean, count = fmean(differences), len(differences)
    half = stats.t.ppf(0.975, count - 1) * stdev(differences) / sqrt(count)
    word = "confirmed" if mean + half < 0 else "not confirmed" if mean - half > 0 else "unclear"
    between = f"{mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f})".replace("-", "\u2212")
    return [says, between, f"{sum(value < 0 for value in differences)} of {count}", word]


def _spread(values: list[float], digits: int) -> str:
    """Mean and standard deviation; one number where all are the same."""
    if len(set(values)) == 1:
        return f"{values[0]:.{digits}f}" if values[0] else "0"
    return f"{fmean(values):.{digits}f} <small>± {stdev(values):.{digits}f}</small>"


def about(runs: Runs) -> list[list[str]]:
    """How the runs were made."""
    setting, by = runs["setting"], runs["made_by"]
    seeds = {run["seed"] for run in runs["starts"]}
    return [
        ["trainings", f"{setting['steps']} steps each, {len(seeds)} seeds"],
        ["model and data", f"{setting['model']}, {setting['data']}, scale {setting['scale']}"],
        ["cost", f"{runs['cpu_seconds'] / 60:.0f} minutes of one core"],
        ["machine", by["device"]],
        ["commit", by["commit"]],
    ]
