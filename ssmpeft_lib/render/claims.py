"""Claims of the paper as data: what its text says of its numbers, tested on them and on ours.

A claim is tested on the printed numbers, on recorded ones and on those of the local results, each on its own; the
three never mix. On measured numbers it is tested on resampled seeds and examples as well, which says how much of the
verdict is luck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ..plan import registry
from .values import Value, interval

LANES = ("printed", "recorded", "ours")

TAKING = {"each": (min, max), "best": (max, max), "mean": (fmean, fmean)}
"""How several rows become one number: of those that are said to be ahead, and of the others."""

TINY = 1e-9
"""Differences below this are rounding errors of binary fractions."""


@dataclass(frozen=True)
class Column:
    """One column of a claim's table.

    Attributes:
        label: with the group, and with the exhibit where a claim spans several.
        better: `higher`, `lower` or `none`.
        values: for each lane, the number of each row by the row's name, None where there is none.
    """

    label: str
    better: str
    values: Mapping[str, Mapping[str, Value | None]]


@dataclass(frozen=True)
class Row:
    """A row's names."""

    name: str
    group: str
    label: str


def evaluated(claim: Mapping[str, Any], rows: Sequence[Row], columns: Sequence[Column], path: object) -> dict[str, Any]:
    """A claim with what became of it.

    Args:
        claim: of a spec; the schema says what its keys mean.
        rows: those that its names are looked up among.
        columns: those that it is about.
        path: the spec's file, for messages.
    Returns:
        the claim with `lanes`, for each lane that has numbers: its `verdict` (`holds`, `part`, `fails` or `open`), in
        how many columns it was `tested`, `held` and `undecided` (digits are lost), how many were `needed`, its
        `support` (share of the resamples in which the verdict is `holds`; None where nothing was resampled), and
        `columns`: of each the `margin` in points, whether it `held`, and of measured numbers the `interval` of the
        margin, its `support`, and in how many of how many `seeds` it held (`seeds_held`).
    Raises:
        LookupError: it names a row that is not there.
    """
    ahead = chosen(claim["rows"], rows, path)
    behind = chosen(claim["beat"], rows, path) if "beat" in claim else []
    lanes = {}
    for lane in LANES:
        tables = [_Numbers(claim, column, column.values.get(lane, {}), ahead, behind) for column in columns]
        if lane == "printed" or any(column.values.get(lane) for column in columns):
            lanes[lane] = _differ(tables) if claim.get("differ") else _lane(claim, tables)
    return {**claim, "lanes": lanes}


def verdict(held: int, tested: int, needed: int | None = None) -> str:
    """What became of a claim that was tested in so many columns and held in so many."""
    if not tested:
        return "open"
    return "holds" if held >= (tested if needed is None else needed) else "part" if held else "fails"


def chosen(names: str | list[str], rows: Sequence[Row], path: object) -> list[str]:
    """The rows of some names, by their full names; a name is that of a row, of a group, or a label that rows share."""
    found: list[str] = []
    for name in [names] if isinstance(names, str) else names:
        matching = [row.name for row in rows if name in (row.name, row.group, row.label)]
        if not matching:
            raise LookupError(registry.unknown("row", name, {row.name for row in rows}, f"{path}"))
        found += [row for row in matching if row not in found]
    return found


class _Numbers:
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
        return None not in (*self.ahead, *self.behind)

    @property
    def resamples(self) -> bool:
        return self.there and any(value.resamples for value in (*self.ahead, *self.behind))

    @property
    def seeds(self) -> list[int]:
        """The seeds that all measured values have."""
        measured = [set(value.by_seed) for value in (*self.ahead, *self.behind) if value and value.by_seed]
        return sorted(set.intersection(*measured)) if measured and self.there else []

    def margin(self, of: Callable[[Value], float] = lambda value: value.mean, of_others=None) -> float:
        """By how many points the claim holds; `of` says which of a value's numbers to take."""
        ahead = [of(value) for value in self.ahead]
        if "within" in self.claim:
            return self.claim["within"] - (max(ahead) - min(ahead))
        if "below" in self.claim:
            return self.claim["below"] - max(ahead)
        first, second = TAKING[self.claim.get("taking", "each")]
        behind = [(of_others or of)(value) for value in self.behind]
        return first(self.sign * value for value in ahead) - second(self.sign * value for value in behind)

    @property
    def bar(self) -> float:
        """What the margin must exceed."""
        return self.claim.get("by", 0) + TINY if self.behind else -TINY

    def holds(self, margin: float) -> bool:
        return margin > self.bar

    def margins(self) -> list[float]:
        """The margin in every resample."""
        return [self.margin(lambda value, i=i: value.draws[i]) for i in range(len(self.ahead[0].draws))]

    def undecided(self) -> bool:
        """Whether lost digits, or rounding where a mean is taken, leave open if the claim holds."""
        short = abs(self.margin() - self.claim.get("by", 0))
        if self.claim.get("taking") == "mean" and TINY < short < max(value.unit for value in self.ahead) - TINY:
            return True
        most, least = (lambda value: value.mean + value.lost), (lambda value: value.mean)
        low, high = (least, most) if self.sign > 0 else (most, least)
        return self.holds(self.margin(low, high)) != self.holds(self.margin(high, low))

    def winners(self, of: Callable[[Value], float] = lambda value: value.mean) -> set[str]:
        """The rows that no other is better than."""
        scores = [self.sign * of(value) for value in self.ahead]
        return {name for name, score in zip(self.names, scores, strict=True) if score > max(scores) - TINY}


def _lane(claim: Mapping[str, Any], tables: list[_Numbers]) -> dict[str, Any]:
    columns, drawn = [], []
    for numbers in tables:
        column: dict[str, Any] = {"label": numbers.label, "margin": None}
        if numbers.there:
            margin = numbers.margin()
            column |= {"margin": round(margin, 6), "held": numbers.holds(margin)}
            if numbers.undecided():
                column |= {"held": None, "undecided": True}
        if numbers.resamples:
            margins = numbers.margins()
            drawn.append([numbers.holds(one) for one in margins])
            column |= {"interval": interval(margins), "support": fmean(drawn[-1])}
        if numbers.seeds:
            held = [
                numbers.holds(numbers.margin(lambda value, seed=seed: value.of_seed(seed))) for seed in numbers.seeds
            ]
            column |= {"seeds": len(held), "seeds_held": sum(held)}
        columns.append(column)
    decided = [column["held"] for column in columns if column.get("held") is not None]
    needed = claim.get("at_least", len(decided))
    return {
        "verdict": verdict(sum(decided), len(decided), needed),
        "held": sum(decided),
        "tested": len(decided),
        "undecided": sum(column.get("undecided", False) for column in columns),
        "needed": needed,
        "support": fmean(sum(draw) >= needed for draw in zip(*drawn, strict=True)) if drawn else None,
        "columns": columns,
    }


def _differ(tables: list[_Numbers]) -> dict[str, Any]:
    """Whether no row is best in every column, ties counted for every row that shares them."""
    there = [numbers for numbers in tables if numbers.there]
    columns = [
        {"label": numbers.label, "margin": None, "winners": sorted(numbers.winners()) if numbers.there else []}
        for numbers in tables
    ]
    if len(there) < 2:
        return {
            "verdict": "open",
            "held": 0,
            "tested": 0,
            "undecided": 0,
            "needed": 1,
            "support": None,
            "columns": columns,
        }
    held = int(not set.intersection(*(numbers.winners() for numbers in there)))
    support = None
    if all(numbers.resamples for numbers in there):
        count = len(there[0].ahead[0].draws)
        drawn = [[numbers.winners(lambda value, i=i: value.draws[i]) for numbers in there] for i in range(count)]
        support = fmean(not set.intersection(*winners) for winners in drawn)
    found = {"verdict": verdict(held, 1), "held": held, "tested": 1, "undecided": 0, "needed": 1}
    return {**found, "support": support, "columns": columns}
