"""What the paper says of Figures 1 and 2, tested on runs: fronts of error against trained parameters, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log
from typing import Any

import numpy as np
from scipy import stats

Run = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Error of one method over that of another within the same budget.

    Attributes:
        budget: largest share of trained parameters, in percent.
        ratios: one for each seed; below 1 the first method is better.
        mean: geometric mean; low, high: its 95 % interval over seeds (t distribution on logarithms).
    """

    budget: float
    ratios: tuple[float, ...]
    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `unclear`, where the interval contains 1."""
        return "better" if self.high < 1 else "worse" if self.low > 1 else "unclear"


def under(runs: Sequence[Run], rule: str) -> list[Run]:
    """The runs of methods that choose no dimensions, and those that chose them by that rule."""
    return [run for run in runs if not run["channels"] or run["rule"] == rule]


def best(runs: Sequence[Run], metric: str, seed: int, methods: Sequence[str], budget: float = inf) -> float:
    """Smallest error of those methods on a seed within a budget, over sizes and learning rates."""
    errors = [r[metric] for r in runs if r["seed"] == seed and r["method"] in methods and r["share"] <= budget]
    return min((error for error in errors if isfinite(error)), default=inf)


def front(runs: Sequence[Run], metric: str, method: str) -> dict[float, list[float]]:
    """The Pareto front of a method: for each share that it can train, the best error up to there, seed by seed."""
    seeds = seeds_of(runs)
    shares = sorted({r["share"] for r in runs if r["method"] == method})
    return {share: [best(runs, metric, seed, (method,), share) for seed in seeds] for share in shares}


def compare(
    runs: Sequence[Run],
    metric: str,
    first: Sequence[str],
    second: Sequence[str],
    budget: float,
    second_budget: float | None = None,
) -> Comparison:
    """Compare the best of some methods with the best of others within a budget, or within one each."""
    other = budget if second_budget is None else second_budget
    pairs = [(best(runs, metric, s, first, budget), best(runs, metric, s, second, other)) for s in seeds_of(runs)]
    logs = np.array([log(a / b) for a, b in pairs])
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else inf
    mean = float(logs.mean())
    return Comparison(budget, tuple(np.exp(logs)), exp(mean), exp(mean - half), exp(min(mean + half, 700)))


def seeds_of(runs: Sequence[Run]) -> list[int]:
    """The seeds that occur among the runs, sorted."""
    return sorted({r["seed"] for r in runs})


def claims(runs: Sequence[Run], metric: str) -> list[tuple[str, Comparison]]:
    """The paper's claims on Figures 1 and 2, each with the comparison that tests it."""
    lora, full = ("lora_proj", "lora_s4_proj"), ("full",)
    shares = sorted({r["share"] for r in runs if r["method"] == "sdlora"})
    largest = shares[-1]
    budgets = {f"{budget:.0f} %": budget for budget in (shares[0], shares[len(shares) // 2], largest)}
    found = [
        (f"SDLoRA is below LoRA within {name} (Figure 1)", compare(runs, metric, ("sdlora",), lora, budget))
        for name, budget in budgets.items()
    ]
    return [
        *found,
        ("SDT is below SDLoRA (Figure 2)", compare(runs, metric, ("sdt",), ("sdlora",), largest)),
        ("SDT reaches full fine-tuning within 25 % (Figure 2)", compare(runs, metric, ("sdt",), full, 25, inf)),
        ("SDT passes full fine-tuning with more (Figure 2)", compare(runs, metric, ("sdt",), full, 99, inf)),
    ]
