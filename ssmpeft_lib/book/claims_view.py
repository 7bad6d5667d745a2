"""Claims as pages show them: a verdict for each kind of numbers, and by how many points in which score."""

from __future__ import annotations

from typing import Any

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
        claims: as `claims.evaluated` made them.
        whose: what our own numbers are called.
        where: for a claim's place in the list, the name and address of its exhibit.
    """
    shown = [_claim(claim, whose, (where or {}).get(index)) for index, claim in enumerate(claims)]
    return render("claims.html", claims=shown, words=WORDS)


def overall(claims: list[Claim], lane: str) -> dict[str, Any]:
    """One verdict over several claims, with how many scores were compared and in how many a claim held."""
    lanes = [claim["lanes"][lane] for claim in claims if lane in claim["lanes"]]
    verdicts = {found["verdict"] for found in lanes} - {"open"}
    if len(verdicts) == 1:
        verdict = verdicts.pop()
    else:
        verdict = "part" if verdicts & {"holds", "part"} else "unclear" if verdicts else "open"
    held, tested = (sum(found[key] for found in lanes) for key in ("held", "tested"))
    return {"verdict": verdict, "word": WORDS[verdict], "held": held, "tested": tested}


def _claim(claim: Claim, whose: str, where: tuple[str, str] | None) -> Claim:
    names = {"printed": "printed", "recorded": "recorded", "ours": whose}
    lanes = [_lane(claim["lanes"][lane]) | {"whose": name} for lane, name in names.items() if lane in claim["lanes"]]
    margins = [column["margin"] for lane in lanes for column in lane["columns"] if column["margin"] is not None]
    longest = max(map(abs, margins), default=0) or 1
    columns = zip(*(lane["columns"] for lane in lanes), strict=True)
    evidence = [{"label": own[0]["label"], "lanes": [_bar(column, longest) for column in own]} for own in columns]
    name, address = where or ("", "")
    shown = {"says": claim["says"], "place": claim["where"], "where": name, "href": address}
    return shown | {"lanes": lanes, "evidence": evidence}


def _lane(lane: dict[str, Any]) -> dict[str, Any]:
    counts = [f"{lane['held']} of {lane['tested']}"] if lane["tested"] > 1 else []
    if lane["undecided"]:
        counts.append(f"{lane['undecided']} undecided")
    support = lane["support"]
    strength = "" if support is None else f"in {100 * support:.0f} % of resamples"
    return lane | {"of": ", ".join(counts), "strength": strength}


def _margin(value: float) -> str:
    """With a digit behind the point, or with three where that would be nothing: of memory in miniature, say."""
    return signed(value, 3 if 0 < abs(value) < 0.05 else 1)


def _bar(column: dict[str, Any], longest: float) -> dict[str, Any]:
    margin = column["margin"]
    if margin is None:
        return {"text": "", "words": ", ".join(column.get("winners", []))}
    end = 50 + 50 * margin / longest
    seeds = f"{column['seeds_held']}/{column['seeds']} seeds" if column.get("seeds", 0) > 1 else ""
    low, high = column.get("interval", (None, None))
    edges = sorted((50.0, end))
    return {
        "text": _margin(margin),
        "held": column["held"],
        "seeds": "undecided" if column["held"] is None else seeds,
        "interval": "" if low is None else f"{_margin(low)} to {_margin(high)}",
        "start": f"{edges[0]:.1f}",
        "end": f"{100 - edges[1]:.1f}",
    }
