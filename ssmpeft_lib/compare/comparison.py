"""One column of a claim: the numbers of the rows that are said to be ahead, those of the others, and the margin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean, median, median_low
from typing import Any

from .values import Value

Reading = Callable[[Value], float]
"""Which of a value's numbers to take."""

TAKING = {"each": (min, max), "best": (max, max), "mean": (fmean, fmean), "most": (median, median)}
"""How several rows become one number: of those that are said to be ahead, and of the others. With `most`, the margin is
that of the pair of rows that decides whether more than half of all pairs are ahead."""

TINY = 1e-9
"""Differences below this are rounding errors of binary fractions."""


@dataclass(frozen=True)
class Row:
    """A row's names."""

    name: str
    group: str
    label: str


@dataclass(frozen=True)
class Column:
    """One column of a claim's table.

    Attributes:
        label: with the group, and with the exhibit where a claim spans several.
        better: `higher`, `lower` or `none`.
        values: for each lane, the number of each row by the row's name, None where there is none.
        rows: those of the column's table, where a claim spans several; its names are looked up among them.
    """

    label: str
    better: str
    values: Mapping[str, Mapping[str, Value | None]]
    rows: Sequence[Row] | None = None


class Comparison:
    """The numbers of one column that a claim is about, and what it comes to with them."""

    def __init__(
        self,
        claim: Mapping[str, Any],
        column: Column,
        values: Mapping[str, Value | None],
        ahead: list[str],
        behind: list[str],
    ):
        self.claim, self.label, self.names = claim, column.label, ahead
        self.sign = -1 if claim.get("better", column.better) == "lower" else 1
        self.ahead = [values.get(name) for name in ahead]
        self.behind = [values.get(name) for name in behind]

    @property
    def there(self) -> bool:
        """Whether no row that the claim is about lacks its number."""
        return None not in (*self.ahead, *self.behind)

    @property
    def resamples(self) -> bool:
        """Whether every number is there, and at least one can be resampled."""
        return self.there and any(value.resamples for value in (*self.ahead, *self.behind))

    @property
    def seeds(self) -> list[int]:
        """The seeds that all measured values have."""
        measured = [set(value.by_seed) for value in (*self.ahead, *self.behind) if value and value.by_seed]
        return sorted(set.intersection(*measured)) if measured and self.there else []

    def sides(self, of: Reading = lambda value: value.mean, of_others: Reading | None = None) -> tuple[float, float]:
        """The number of the rows that are said to be ahead and that of the others, larger being better.

        Of rows that are said to lie close together, these are the ends of their range. `of` says which of a value's
        numbers to take.
        """
        ahead = [self.sign * of(value) for value in self.ahead]
        if not self.behind:
            return max(ahead), min(ahead)
        first, second = TAKING[self.claim.get("taking", "each")]
        return first(ahead), second(self.sign * (of_others or of)(value) for value in self.behind)

    def margin(self, of: Reading = lambda value: value.mean, of_others: Reading | None = None) -> float:
        """Compute by how many points the claim holds; see `sides`.

        With `most` it is the margin of the pair of rows that decides: above zero where more than half of them are.
        """
        if "below" in self.claim:
            return self.claim["below"] - max(of(value) for value in self.ahead)
        if self.claim.get("taking") == "most":
            pairs = product(self.ahead, self.behind)
            return median_low(self.sign * (of(one) - (of_others or of)(other)) for one, other in pairs)
        first, second = self.sides(of, of_others)
        return self.claim["within"] - (first - second) if "within" in self.claim else first - second

    @property
    def is_uninformative(self) -> bool:
        """Whether the numbers cannot decide: both sides at zero where more is better, as of models that know nothing,
        or measured once with nothing to resample, as the time that a single run took."""
        at_zero = self.sign > 0 and not any(self.sides())
        return at_zero or not self.resamples and any(value.by_seed for value in (*self.ahead, *self.behind))

    @property
    def threshold(self) -> float:
        """What the margin must exceed: a lead must be more than its bound, while `at most so many points behind`,
        `within` and `below` allow the bound itself."""
        by = self.claim.get("by", 0)
        return by + TINY if self.behind and by >= 0 else by - TINY

    def holds(self, margin: float) -> bool:
        """Whether a margin is enough for the claim to hold."""
        return margin > self.threshold

    @property
    def spreads_overlap(self) -> bool:
        """Whether the claim holds for the printed means, and not where each side moves by its printed spread."""
        if not self.behind or not any(value.spread for value in (*self.ahead, *self.behind)):
            return False
        worse, better = (lambda value, way=way: value.mean + way * self.sign * value.spread for way in (-1, 1))
        return self.holds(self.margin()) and not self.holds(self.margin(worse, better))

    def margins(self) -> list[float]:
        """The margin in every resample."""
        return [self.margin(lambda value, i=i: value.draws[i]) for i in range(len(self.ahead[0].draws))]

    def undecided(self) -> bool:
        """Whether lost digits, a picture that was read, or rounding where a mean is taken, leave open if the claim
        holds."""
        short = abs(self.margin() - self.claim.get("by", 0))
        if self.claim.get("taking") == "mean" and TINY < short < max(value.unit for value in self.ahead) - TINY:
            return True
        most, least = (lambda value: value.most), (lambda value: value.least)
        low, high = (least, most) if self.sign > 0 else (most, least)
        return self.holds(self.margin(low, high)) != self.holds(self.margin(high, low))

    def winners(self, of: Reading = lambda value: value.mean) -> set[str]:
        """The rows that no other is better than."""
        scores = [self.sign * of(value) for value in self.ahead]
        return {name for name, score in zip(self.names, scores, strict=True) if score > max(scores) - TINY}
