"""What is known of one number: as printed, or as measured over seeds and resampled examples."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean

from ..plan.printed import Printed

DRAWS = 400
"""Resamples of seeds and examples that an interval is taken from."""

LEVEL = 0.95
"""What an interval covers, and how much of the resamples must agree for a verdict."""


@dataclass(frozen=True)
class Value:
    """A number and what it may have been instead.

    Attributes:
        mean: the number; of a measured one, the mean over seeds.
        unit: of a printed number, one in its last digit; lost: how far above `mean` it may lie, digits being lost;
            spread: the printed one; read_to: how far on either side of `mean` it may lie, being read off a picture.
        by_seed: of a measured one, for each seed the value, and then its values on resampled examples, if there are
            any. The same place in two such lists stands for the same examples.
    """

    mean: float
    unit: float = 0.0
    lost: float = 0.0
    spread: float = 0.0
    read_to: float = 0.0
    by_seed: Mapping[int, Sequence[float]] = field(default_factory=dict)

    @classmethod
    def of_printed(cls, printed: Printed | None, digits: int, read_to: float = 0.0) -> Value | None:
        """A printed number; None where there is none or only a bound."""
        if printed is None or printed.bound:
            return None
        return cls(printed.value, 10.0**-digits, printed.lost(digits), printed.std or 0.0, read_to)

    @property
    def least(self) -> float:
        """The smallest that a printed number may have been."""
        return self.mean - self.read_to

    @property
    def most(self) -> float:
        """The largest that a printed number may have been."""
        return self.mean + self.lost + self.read_to

    @property
    def resamples(self) -> bool:
        """Whether there is anything to resample."""
        return len(self.by_seed) > 1 or any(len(values) > 1 for values in self.by_seed.values())

    def of_seed(self, seed: int) -> float:
        """The value of a seed; the mean where it is not one over seeds."""
        return self.by_seed[seed][0] if self.by_seed else self.mean

    @cached_property
    def draws(self) -> list[float]:
        """The mean over seeds drawn with replacement, on examples drawn with replacement, `DRAWS` times.

        Two values of the same seeds have the same seeds and examples in a draw, so that differences are paired.
        """
        if not self.by_seed:
            return [self.mean] * DRAWS
        chance = random.Random(0)
        seeds = sorted(self.by_seed)
        drawn = []
        for _ in range(DRAWS):
            chosen, place = chance.choices(seeds, k=len(seeds)), chance.randrange(1 << 30)
            drawn.append(fmean(_at(self.by_seed[seed], place) for seed in chosen))
        return drawn


def _at(values: Sequence[float], place: int) -> float:
    own, *resampled = values
    return resampled[place % len(resampled)] if resampled else own


def interval(drawn: Sequence[float]) -> list[float]:
    """Where the middle 95 % of some draws lie."""
    ordered = sorted(drawn)
    tail = int((1 - LEVEL) / 2 * len(ordered))
    return [round(ordered[tail], 6), round(ordered[-1 - tail], 6)]


def unsettled(support: float) -> bool:
    """Whether the draws disagree, a share of them being for something: the interval of its margin contains its bar."""
    return min(support, 1 - support) > (1 - LEVEL) / 2
