"""Claims as pages show them: a verdict for each kind of numbers, and by how many points in which score."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..compare.claims import is_literal
from ..drawing.numbers import signed
from .environment import render

WORDS = {
    "holds": "holds",
    "part": "in part",
    "fails": "does not hold",
    "unclear": "unclear",
    "open": "not tested",
}

Claim = dict[str, Any]


def claims_html(claims: list[Claim], whose: str, where: dict[int, tuple[str, str]] | None = None) -> str:
    """A list of claims.

    Args:
        claims: as `claims.evaluated` made them; those of scores share an axis, and those of costs another.
        whose: what our own numbers are called.
        where: for a claim's place in the list, the name and address of its exhibit.
    """
    longest: dict[bool, float] = {}
    for claim in claims:
        longest[_is_of_cost(claim)] = max([longest.get(_is_of_cost(claim), 0), *map(abs, _margins(claim))])
    shown = [
        _claim(claim, whose, (where or {}).get(index), longest[_is_of_cost(claim)] or 1)
        for index, claim in enumerate(claims)
    ]
    return render("claims.html", claims=shown, words=WORDS)


def overall(claims: list[Claim], lane: str) -> dict[str, Any]:
    """One verdict over the literal ones of several claims, with how many were `tested` and how many `held`.

    What says more than the paper's sentence, a reading of ours, counts neither for it nor against it. Claims are
    counted and not the scores that they compare: of one that is said of some score, most need not hold.
    """
    lanes = [claim["lanes"][lane] for claim in claims if is_literal(claim) and lane in claim["lanes"]]
    verdicts = {found["verdict"] for found in lanes} - {"open"}
    if len(verdicts) == 1:
        verdict = verdicts.pop()
    else:
        verdict = "part" if verdicts & {"holds", "part"} else "unclear" if verdicts else "open"
    tested = [found for found in lanes if found["verdict"] != "open"]
    held = sum(found["verdict"] == "holds" for found in tested)
    return {"verdict": verdict, "word": WORDS[verdict], "held": held, "tested": len(tested)}


def exhibits_of(claim: Claim) -> set[str]:
    """Names of the exhibits that a claim of a book's document is about, such as `Table 7`; it may span several."""
    names = {claim["document"]["title"].partition(":")[0]}
    if isinstance(claim.get("columns"), dict):
        names |= {column["label"].partition(",")[0] for column in claim["lanes"]["printed"]["columns"]}
    return names


def together(names: Iterable[str]) -> str:
    """Names such as `Table 1` and `Table 8` as `Tables 1, 8`."""
    kinds: dict[str, set[str]] = {}
    for name in names:
        kind, _, number = name.rpartition(" ")
        kinds.setdefault(kind, set()).add(number)
    return ", ".join(
        f"{kind}{'s' if len(numbers) > 1 else ''} {', '.join(sorted(numbers, key=_natural))}"
        for kind, numbers in sorted(kinds.items(), reverse=True)
    )


def _natural(number: str) -> tuple[int, str]:
    return (int(number), "") if number.isdigit() else (0, number)


def _margins(claim: Claim) -> list[float]:
    columns = (column for lane in claim["lanes"].values() for column in lane["columns"])
    return [column["margin"] for column in columns if column["margin"] is not None]


def _is_of_cost(claim: Claim) -> bool:
    """Whether its numbers are costs or errors, which do not share an axis with scores."""
    columns = claim.get("document", {}).get("columns", [])
    return any(column.get("better") == "lower" for column in columns)


def _claim(claim: Claim, whose: str, where: tuple[str, str] | None, longest: float) -> Claim:
    names = {"printed": "printed", "counted": "counted", "recorded": "recorded", "small": "small models", "ours": whose}
    lanes = [_lane(claim["lanes"][lane]) | {"whose": name} for lane, name in names.items() if lane in claim["lanes"]]
    columns = zip(*(lane["columns"] for lane in lanes), strict=True)
    evidence = [{"label": own[0]["label"], "lanes": [_bar(column, longest) for column in own]} for own in columns]
    name, address = where or ("", "")
    words = {key: claim.get(key, "") for key in ("says", "quote", "reading", "no_number")}
    shown = words | {"place": claim["where"], "where": name, "href": address}
    return shown | {"lanes": lanes, "evidence": evidence}


def _lane(lane: dict[str, Any]) -> dict[str, Any]:
    counts = [f"{lane['held']} of {lane['tested']}"] if lane["tested"] > 1 else []
    if lane["undecided"]:
        counts.append(f"{lane['undecided']} undecided")
    if overlapping := sum(column.get("spreads_overlap", False) for column in lane["columns"]):
        counts.append(f"in {overlapping} the spreads overlap")
    if lane.get("rank") is not None:
        counts.append(f"rank correlation {signed(lane['rank'], 2)}")
    support = lane["support"]
    strength = "" if support is None else f"in {100 * support:.0f} % of resamples"
    return lane | {"of": ", ".join(counts), "strength": strength}


def _margin(value: float) -> str:
    """Write a margin with one decimal, or with three where one would show nothing, as of the memory of small models."""
    return signed(value, 3 if 0 < abs(value) < 0.05 else 1)


def _bar(column: dict[str, Any], longest: float) -> dict[str, Any]:
    margin = column["margin"]
    if margin is None:
        return {"text": "", "words": ", ".join(column.get("winners", []))}
    end = 50 + 50 * margin / longest
    seeds = f"{column['seeds_held']}/{column['seeds']} seeds" if column.get("seeds", 0) > 1 else ""
    overlap = column.get("spreads_overlap", False)
    low, high = column.get("interval", (None, None))
    edges = sorted((50.0, end))
    return {
        "text": _margin(margin),
        "held": column.get("held", margin > 0),
        "zero": not margin,
        "seeds": "undecided" if column.get("undecided") else "spreads overlap" if overlap else seeds,
        "interval": "" if low is None else f"{_margin(low)} to {_margin(high)}",
        "start": f"{edges[0]:.1f}",
        "end": f"{100 - edges[1]:.1f}",
    }
