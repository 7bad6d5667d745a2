"""A paired bootstrap over seeds and examples of a difference that is averaged over data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import stats

from .values import LEVEL, interval

DRAWS = 10_000

POWER = 0.8

MOST_SEEDS = 1000
"""Beyond so many seeds, it is not said how many are needed."""

BySeed = Mapping[int, Sequence[float]]
"""For each seed a score, and then the same score on resampled examples; one place in two such lists stands for the same
examples."""


@dataclass(frozen=True)
class Effect:
    """A mean difference in points, ahead minus behind.

    Attributes:
        mean: over data sets with equal weight, and within each over seeds.
        interval: 95 % of the draws of seeds and examples.
        spread: standard deviation of the effect between seeds; None where a data set has one seed.
        seeds: the fewest that a data set has.
        by_dataset: the difference of each data set.
    """

    mean: float
    interval: tuple[float, float]
    spread: float | None
    seeds: int
    by_dataset: dict[str, float]


def paired_effect(ahead: Mapping[str, BySeed], behind: Mapping[str, BySeed], draws: int = DRAWS) -> Effect:
    """Measure by how many points one side is ahead, with an interval from draws that both sides share.

    A draw takes seeds and examples with replacement, for each data set its own. A few seeds vary less among themselves
    than seeds do: their part of a draw is widened by sqrt(n / (n - 1)) and by the ratio of Student's to the normal
    quantile, as in the expanded percentile interval (Hesterberg, 2015, doi.org/10.1080/00031305.2015.1089789). With one
    seed, the interval is that of the examples alone.

    Args:
        ahead, behind: for each data set the scores by seed. Only seeds that both sides have are compared.
    Raises:
        ValueError: a data set is on one side only, or there is no seed that both sides have.
    """
    if ahead.keys() != behind.keys() or not ahead:
        raise ValueError(f"both sides need the same data sets, got {sorted(ahead)} and {sorted(behind)}")
    differences = {name: _differences(name, ahead[name], behind[name]) for name in sorted(ahead)}
    counts = [len(found) for found in differences.values()]
    widening, chance = _widening(counts), np.random.default_rng(0)
    drawn = np.mean([_draw(found, widening, draws, chance) for found in differences.values()], axis=0)
    by_dataset = {name: float(found[:, 0].mean()) for name, found in differences.items()}
    mean = float(np.mean(list(by_dataset.values())))
    return Effect(mean, tuple(interval(drawn.tolist())), _spread(list(differences.values())), min(counts), by_dataset)


def seeds_needed(effect: float, spread: float) -> int | None:
    """Compute how many seeds it takes to tell an effect from none, by a paired two-sided t-test at 5 %.

    Args:
        effect: its true size.
        spread: standard deviation of the effect between seeds.
    Returns:
        the smallest number with which the test finds it in eight of ten cases; None where that is above `MOST_SEEDS`.
    """
    if effect == 0:
        return None
    for seeds in range(2, MOST_SEEDS + 1):
        if spread == 0 or power(effect, spread, seeds) >= POWER:
            return seeds
    return None


def power(effect: float, spread: float, seeds: int) -> float:
    """Compute how often a paired two-sided t-test at 5 % finds an effect of some size, given its spread over seeds."""
    freedom = seeds - 1
    bound, shift = stats.t.ppf((1 + LEVEL) / 2, freedom), abs(effect) / spread * sqrt(seeds)
    return float(stats.nct.sf(bound, freedom, shift) + stats.nct.cdf(-bound, freedom, shift))


def _differences(name: str, ahead: BySeed, behind: BySeed) -> np.ndarray:
    """Ahead minus behind, [seeds, 1 + resamples]."""
    seeds = sorted(set(ahead) & set(behind))
    if not seeds:
        raise ValueError(f"{name}: no seed has a score on both sides")
    width = min(len(side[seed]) for side in (ahead, behind) for seed in seeds)
    return np.array([np.subtract(ahead[seed][:width], behind[seed][:width]) for seed in seeds])


def _draw(found: np.ndarray, widening: float, draws: int, chance: np.random.Generator) -> np.ndarray:
    """The mean over seeds drawn with replacement, on examples drawn with replacement, [draws]."""
    own, resampled = found[:, 0], found[:, 1:] - found[:, :1]
    seeds = chance.integers(len(own), size=(draws, len(own)))
    drawn = own.mean() + widening * (own[seeds].mean(1) - own.mean())
    if resampled.shape[1]:
        place = chance.integers(resampled.shape[1], size=(draws, 1))
        drawn = drawn + resampled[seeds, place].mean(1)
    return drawn


def _widening(counts: Sequence[int]) -> float:
    freedom = sum(count - 1 for count in counts)
    if freedom == 0:
        return 1.0
    quantile, fewest = (1 + LEVEL) / 2, min(count for count in counts if count > 1)
    return float(stats.t.ppf(quantile, freedom) / stats.norm.ppf(quantile) * sqrt(fewest / (fewest - 1)))


def _spread(differences: Sequence[np.ndarray]) -> float | None:
    """Of the mean over data sets, whose seeds are independent of each other."""
    several = [found[:, 0] for found in differences if len(found) > 1]
    if len(several) < len(differences):
        return None
    return float(sqrt(sum(values.var(ddof=1) for values in several)) / len(several))
