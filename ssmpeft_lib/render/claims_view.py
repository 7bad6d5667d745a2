"""Claims as pages show them: a verdict for each kind of numbers, and by how many points in which score."""

from __future__ import annotations

from typing import Any

from .environment import render
from .numbers import signed

WORDS = {"holds": "holds", "part": "in part", "fails": "does not hold", "open": "not tested"}

Claim = dict[str, Any]


def claims_html(claims: list[Claim], whose: str, where: dict[int, tuple[str, str]] | None = None) -> str:
    """A list of claims.

    Args:
        claims: as `claims.with_verdicts` made them.
        whose: what our own numbers are called.
        where: for a claim's place in the list, the name and address of its exhibit.
    """
    shown = [_claim(claim, whose, (where or {}).get(index)) for index, claim in enumerate(claims)]
    return render("claims.html", claims=shown, words=WORDS)


def overall(claims: list[Claim], lane: str) -> dict[str, Any]:
    """One verdict over several claims: how many scores were compared, and in how many the claim held."""
    from .claims import verdict

    held, tested = (sum(claim["lanes"][lane][key] for claim in claims) for key in ("held", "tested"))
    return {"verdict": verdict(held, tested), "word": WORDS[verdict(held, tested)], "held": held, "tested": tested}


def _claim(claim: Claim, whose: str, where: tuple[str, str] | None) -> Claim:
    printed, ours = claim["lanes"]["printed"], claim["lanes"]["ours"]
    margins = [
        column["margin"] for lane in (printed, ours) for column in lane["columns"] if column["margin"] is not None
    ]
    longest = max(map(abs, margins), default=0) or 1
    bound = claim.get("by", 0)
    evidence = [
        {"label": first["label"], "lanes": [_bar(one, longest, bound) for one in (first, second)]}
        for first, second in zip(printed["columns"], ours["columns"], strict=True)
    ]
    lanes = [printed | {"whose": "printed"}, ours | {"whose": whose}]
    name, address = where or ("", "")
    return {"says": claim["says"], "where": name, "href": address, "lanes": lanes, "evidence": evidence}


def _bar(column: dict[str, Any], longest: float, bound: float) -> dict[str, Any]:
    margin = column["margin"]
    if margin is None:
        return {"text": ""}
    end = 50 + 50 * margin / longest
    seeds = f"{column['seeds_held']}/{column['seeds']} seeds" if column.get("seeds", 0) > 1 else ""
    edges = sorted((50.0, end))
    return {
        "text": signed(margin, 1),
        "held": margin > bound,
        "seeds": seeds,
        "start": f"{edges[0]:.1f}",
        "end": f"{100 - edges[1]:.1f}",
    }
