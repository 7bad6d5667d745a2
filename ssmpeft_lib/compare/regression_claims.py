"""What the paper says of Figures 1 and 2, tested on runs: fronts of error against trained parameters, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log

import numpy as np
from scipy import stats

from .regression_runs import Run, best, seeds_of


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


def front(runs: Sequence[Run], metric: str, label: str) -> dict[float, list[float]]:
    """The Pareto front of a method: for each share that it can train, the best error up to there, seed by seed."""
    seeds = seeds_of(runs)
    shares = sorted({r["share"] for r in runs if r["label"] == label})
    return {share: [best(runs, metric, seed, (label,), share) for seed in seeds] for share in shares}


def compare(
    runs: Sequence[Run],
    metric: str,
    first: Sequence[str],
    second: Sequence[str],
    budget: float,
    second_budget: float | None = None,
) -> Comparison:
    """Compare the best methods of some labels with the best of others within a budget, or within one each."""
    other = budget if second_budget is None else second_budget
    pairs = [(best(runs, metric, s, first, budget), best(runs, metric, s, second, other)) for s in seeds_of(runs)]
    logs = np.array([log(a / b) for a, b in pairs])
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else inf
    mean = float(logs.mean())
    return Comparison(budget, tuple(np.exp(logs)), exp(mean), exp(mean - half), exp(min(mean + half, 700)))


def claims(runs: Sequence[Run], metric: str) -> list[tuple[str, Comparison]]:
    """The paper's claims on Figures 1 and 2, each with the comparison that tests it."""
    lora, full = ("LoRA (Proj)", "LoRA on S4"), ("Full",)
    shares = sorted({r["share"] for r in runs if r["label"] == "SDLoRA"})
    largest = shares[-1]
    budgets = {f"{budget:.0f} %": budget for budget in (shares[0], shares[len(shares) // 2], largest)}
    found = [
        (f"SDLoRA is below LoRA within {name} (Figure 1)", compare(runs, metric, ("SDLoRA",), lora, budget))
        for name, budget in budgets.items()
    ]
    return [
        *found,
        ("SDT is below SDLoRA (Figure 2)", compare(runs, metric, ("SDT",), ("SDLoRA",), largest)),
        ("SDT reaches full fine-tuning within 25 % (Figure 2)", compare(runs, metric, ("SDT",), full, 25, inf)),
        ("SDT passes full fine-tuning with more (Figure 2)", compare(runs, metric, ("SDT",), full, 99, inf)),
    ]
