"""Claims of the paper as data: what its text says of its numbers, tested on them and on ours.

A claim is tested on the printed numbers, on counted shares of parameters, on recorded numbers and on those of the
local results, each on its own; they never mix. On measured numbers it is tested on resampled seeds and examples as
well: where they disagree, the verdict is that it is unclear. A claim with a `reading` says more than the paper's
sentence, which its `quote` gives; counts of what holds are of the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ..plan import registry
from .comparison import Column, Comparison, Row
from .rank_correlation import rank_correlation
from .values import interval, unsettled

LANES = ("printed", "counted", "recorded", "small", "ours")

OPEN = {"verdict": "open", "held": 0, "tested": 0, "undecided": 0, "needed": 0, "support": None, "columns": []}
"""A lane in which nothing was tested."""


def evaluated(claim: Mapping[str, Any], rows: Sequence[Row], columns: Sequence[Column], path: object) -> dict[str, Any]:
    """A claim with what became of it.

    Args:
        claim: of a spec; the schema says what its keys mean.
        rows: those that its names are looked up among, but for columns that bring their own.
        columns: those that it is about.
        path: the spec's file, for messages.
    Returns:
        the claim with `lanes`, for each lane that has numbers: its `verdict` (`holds`, `part`, `fails`, `unclear` or
        `open`), in how many columns it was `tested`, `held` and `undecided` (digits are lost, or the numbers say
        nothing), how many were `needed`, its `support` (share of the resamples in which as many columns as needed
        hold; None where nothing was resampled), and
        `columns`: of each the `margin` in points, whether it `held`, and of measured numbers the `interval` of the
        margin, its `support`, and in how many of how many `seeds` it held (`seeds_held`); `spreads_overlap` where
        those printed of both sides do, although the claim holds.
    Raises:
        LookupError: it names a row that is not there.
    """
    if "no_number" in claim:
        return {**claim, "lanes": {"printed": OPEN}}
    sides = [
        (chosen(claim["rows"], among, path), chosen(claim["beat"], among, path) if "beat" in claim else [])
        for among in (rows if column.rows is None else column.rows for column in columns)
    ]
    judge = _differ if claim.get("differ") else _grows if claim.get("grows") else _each_column
    lanes = {}
    for lane in LANES:
        tables = [
            Comparison(claim, column, column.values.get(lane, {}), *side)
            for column, side in zip(columns, sides, strict=True)
        ]
        if lane == "printed" or any(column.values.get(lane) for column in columns):
            lanes[lane] = judge(claim, tables)
    return {**claim, "lanes": lanes}


def is_literal(claim: Mapping[str, Any]) -> bool:
    """Whether a claim says no more than the paper's sentence."""
    return "reading" not in claim


def verdict(held: int, tested: int, needed: int, support: float | None, undecided: int = 0) -> str:
    """What became of a claim that was tested in so many columns, held in so many, and is undecided in others."""
    if not tested:
        return "open"
    if held < needed <= held + undecided or support is not None and unsettled(support):
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


def _each_column(claim: Mapping[str, Any], tables: list[Comparison]) -> dict[str, Any]:
    columns, drawn = [], []
    for numbers in tables:
        column: dict[str, Any] = {"label": numbers.label, "margin": None}
        if numbers.there:
            margin = numbers.margin()
            column |= {"margin": round(margin, 6), "held": numbers.holds(margin)}
            if numbers.is_uninformative or numbers.undecided():
                column |= {"held": None, "undecided": True}
            elif numbers.spreads_overlap:
                column["spreads_overlap"] = True
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
    undecided = sum(column.get("undecided", False) for column in columns)
    return {
        "verdict": verdict(sum(decided), len(decided), needed, support, undecided),
        "held": sum(decided),
        "tested": len(decided),
        "undecided": undecided,
        "needed": needed,
        "support": support,
        "columns": columns,
    }


def _grows(claim: Mapping[str, Any], tables: list[Comparison]) -> dict[str, Any]:
    """Whether the margin rises along the columns, by the sign of its rank correlation with their order."""
    there = [numbers for numbers in tables if numbers.there]
    columns = [
        {"label": numbers.label, "margin": round(numbers.margin(), 6) if numbers.there else None} for numbers in tables
    ]
    rank = _along([numbers.margin() for numbers in there])
    support = None
    if there and all(numbers.resamples for numbers in there):
        drawn = zip(*(numbers.margins() for numbers in there), strict=True)
        support = fmean((_along(margins) or 0) > 0 for margins in drawn)
    tested, held = int(rank is not None), int((rank or 0) > 0)
    counts = {"held": held, "tested": tested, "undecided": 0, "needed": 1, "rank": rank}
    return {"verdict": verdict(held, tested, 1, support), **counts, "support": support, "columns": columns}


def _along(margins: Sequence[float]) -> float | None:
    return rank_correlation(range(len(margins)), margins) if len(margins) > 1 else None


def _differ(claim: Mapping[str, Any], tables: list[Comparison]) -> dict[str, Any]:
    """Whether no row is best in every column, ties counted for every row that shares them."""
    there = [numbers for numbers in tables if numbers.there and not numbers.is_uninformative]
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
