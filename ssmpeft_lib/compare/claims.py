"""Claims of the paper as data: what its text says of its numbers, tested on them and on ours.

A claim is tested on the printed numbers, on recorded ones and on those of the local results, each on its own; the
three never mix. On measured numbers it is tested on resampled seeds and examples as well: where they disagree, the
verdict is that it is unclear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ..plan import registry
from .comparison import Column, Comparison
from .values import interval, unsettled

LANES = ("printed", "recorded", "ours")


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
        the claim with `lanes`, for each lane that has numbers: its `verdict` (`holds`, `part`, `fails`, `unclear` or
        `open`), in how many columns it was `tested`, `held` and `undecided` (digits are lost, or the numbers say
        nothing), how many were `needed`, its `support` (share of the resamples in which as many columns as needed
        hold; None where nothing was resampled), and
        `columns`: of each the `margin` in points, whether it `held`, and of measured numbers the `interval` of the
        margin, its `support`, and in how many of how many `seeds` it held (`seeds_held`).
    Raises:
        LookupError: it names a row that is not there.
    """
    ahead = chosen(claim["rows"], rows, path)
    behind = chosen(claim["beat"], rows, path) if "beat" in claim else []
    lanes = {}
    for lane in LANES:
        tables = [Comparison(claim, column, column.values.get(lane, {}), ahead, behind) for column in columns]
        if lane == "printed" or any(column.values.get(lane) for column in columns):
            lanes[lane] = _differ(tables) if claim.get("differ") else _lane(claim, tables)
    return {**claim, "lanes": lanes}


def verdict(held: int, tested: int, needed: int, support: float | None) -> str:
    """What became of a claim that was tested in so many columns and held in so many."""
    if not tested:
        return "open"
    if support is not None and unsettled(support):
        return "unclear"
    return "holds" if held >= needed else "part" if held else "fails"


def chosen(names: str | list[str], rows: Sequence[Row], path: object) -> list[str]:
    """The rows of some names, by their full names; a name is that of a row, of a group, or a label that rows share."""
    found: list[str] = []
    for name in [names] if isinstance(names, str) else names:
        matching = [row.name for row in rows if name in (row.name, row.group, row.label)]
        if not matching:
            raise LookupError(registry.unknown("row", name, {row.name for row in rows}, f"{path}"))
        found += [row for row in matching if row not in found]
    return found


def _lane(claim: Mapping[str, Any], tables: list[Comparison]) -> dict[str, Any]:
    columns, drawn = [], []
    for numbers in tables:
        column: dict[str, Any] = {"label": numbers.label, "margin": None}
        if numbers.there:
            margin = numbers.margin()
            column |= {"margin": round(margin, 6), "held": numbers.holds(margin)}
            if numbers.says_nothing or numbers.undecided():
                column |= {"held": None, "undecided": True}
        if numbers.resamples:
            margins = numbers.margins()
            held = [numbers.holds(one) for one in margins]
            column |= {"interval": interval(margins), "support": fmean(held)}
            if column["held"] is not None:
                drawn.append(held)
        if numbers.seeds:
            held = [
                numbers.holds(numbers.margin(lambda value, seed=seed: value.of_seed(seed))) for seed in numbers.seeds
            ]
            column |= {"seeds": len(held), "seeds_held": sum(held)}
        columns.append(column)
    if drawn:
        # what was decided and not resampled stays as it is in every draw
        fixed = [column["held"] for column in columns if column.get("held") is not None and "support" not in column]
        drawn += [[held] * len(drawn[0]) for held in fixed]
    decided = [column["held"] for column in columns if column.get("held") is not None]
    needed = claim.get("at_least", len(decided))
    support = fmean(sum(draw) >= needed for draw in zip(*drawn, strict=True)) if drawn else None
    return {
        "verdict": verdict(sum(decided), len(decided), needed, support),
        "held": sum(decided),
        "tested": len(decided),
        "undecided": sum(column.get("undecided", False) for column in columns),
        "needed": needed,
        "support": support,
        "columns": columns,
    }


def _differ(tables: list[Comparison]) -> dict[str, Any]:
    """Whether no row is best in every column, ties counted for every row that shares them."""
    there = [numbers for numbers in tables if numbers.there and not numbers.says_nothing]
    columns = [
        {"label": numbers.label, "margin": None, "winners": sorted(numbers.winners()) if numbers.there else []}
        for numbers in tables
    ]
    tested = int(len(there) > 1)
    held = int(tested and not set.intersection(*(numbers.winners() for numbers in there)))
    support = None
    if tested and all(numbers.resamples for numbers in there):
        count = len(there[0].ahead[0].draws)
        drawn = [[numbers.winners(lambda value, i=i: value.draws[i]) for numbers in there] for i in range(count)]
        support = fmean(not set.intersection(*winners) for winners in drawn)
    counts = {"held": held, "tested": tested, "undecided": 0, "needed": 1}
    return {"verdict": verdict(held, tested, 1, support), **counts, "support": support, "columns": columns}
