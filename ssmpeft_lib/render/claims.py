"""Claims of the paper as data: which rows are said to beat which, and in how many columns they do.

A claim is tested on the printed numbers and on our own, each on its own; the two never mix. On our own numbers it is
tested for each seed as well, so that it shows how much of it is luck.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

from ..plan import registry

LANES = ("printed", "ours")

Score = Callable[[dict[str, Any]], float | None]


def with_verdicts(claims: list[dict[str, Any]], document: dict[str, Any], path: object) -> list[dict[str, Any]]:
    """Each claim with what became of it.

    Args:
        claims: of a spec: `says`, `rows`, `beat` and, if not all scores are meant, `columns`; `best: true` compares the
            best of `rows` with the best of `beat`, else every one of `rows` must beat every one of `beat`; `by` is how
            many points they must be ahead, 0 if not given and negative for "as good as, but for so many points".
        document: the joined exhibit, with `columns` and `rows`.
        path: the spec's file, for messages.
    Returns:
        the claims with `lanes`: for `printed` and `ours` a `verdict` (`holds`, `part`, `fails` or `open`), how many
        columns were `tested` and how many `held`, and for each column its `margin` and, for ours, in how many seeds.
    Raises:
        LookupError: a claim names a row or a column that is not there.
    """
    return [claim | {"lanes": _lanes(claim, document, path)} for claim in claims]


def _lanes(claim: dict[str, Any], document: dict[str, Any], path: object) -> dict[str, Any]:
    rows, beaten = (_chosen(claim[side], document["rows"], path) for side in ("rows", "beat"))
    columns = _columns(claim, document, path)
    lanes = {}
    for lane, score in (("printed", _printed), ("ours", _mean)):
        found = [_column(claim, document, rows, beaten, i, score, lane == "ours") for i in columns]
        margins = [column["margin"] for column in found if column["margin"] is not None]
        held = sum(margin > claim.get("by", 0) for margin in margins)
        lanes[lane] = {"verdict": verdict(held, len(margins)), "held": held, "tested": len(margins), "columns": found}
    return lanes


def verdict(held: int, tested: int) -> str:
    """What became of a claim that was tested so many times."""
    if not tested:
        return "open"
    return "holds" if held == tested else "part" if held else "fails"


def _column(
    claim: dict, document: dict, rows: list[dict], beaten: list[dict], i: int, score: Score, seeds: bool
) -> dict[str, Any]:
    column = document["columns"][i]
    label = " ".join(filter(None, [column.get("group"), column["label"]]))
    margin = _margin(claim, rows, beaten, i, score)
    found = {"label": label, "margin": margin}
    if seeds and margin is not None:
        each = [_margin(claim, rows, beaten, i, _of_seed(str(seed))) for seed in range(document["seeds"])]
        each = [one for one in each if one is not None]
        found |= {"seeds": len(each), "seeds_held": sum(one > claim.get("by", 0) for one in each)}
        found["margins"] = each
        found["mean"] = round(fmean(each), 6) if each else None
    return found


def _margin(claim: dict, rows: list[dict], beaten: list[dict], i: int, score: Score) -> float | None:
    """By how many points `rows` are ahead in a column; None where a value is missing."""
    ahead, behind = ([score(row["points"][i]) for row in side] for side in (rows, beaten))
    if None in ahead or None in behind:
        return None
    sign = -1 if rows[0]["points"][i]["better"] == "lower" else 1
    ahead, behind = [sign * value for value in ahead], [sign * value for value in behind]
    first = max(ahead) if claim.get("best") else min(ahead)
    return round(first - max(behind), 6)


def _printed(point: dict[str, Any]) -> float | None:
    return point["printed"] and point["printed"]["value"]


def _mean(point: dict[str, Any]) -> float | None:
    return point["ours"].get("mean")


def _of_seed(seed: str) -> Score:
    return lambda point: point["ours"].get("by_seed", {}).get(seed)


def _chosen(names: str | list[str], rows: list[dict[str, Any]], path: object) -> list[dict[str, Any]]:
    """The rows of some names; a name is that of a row, of a group, or a label that several rows share."""
    chosen = []
    for name in [names] if isinstance(names, str) else names:
        matching = [row for row in rows if name in (row["name"], row["group"], row["label"])]
        if not matching:
            raise LookupError(registry.unknown("row", name, {row["name"] for row in rows}, f"{path}"))
        chosen += [row for row in matching if row not in chosen]
    return chosen


def _columns(claim: dict[str, Any], document: dict[str, Any], path: object) -> list[int]:
    scores = [i for i in range(len(document["columns"])) if document["rows"][0]["points"][i]["better"] != "none"]
    if "columns" not in claim:
        return scores
    labels = {document["columns"][i]["label"]: i for i in scores}
    for name in claim["columns"]:
        if name not in labels:
            raise LookupError(registry.unknown("column", name, labels, f"{path}"))
    return [labels[name] for name in claim["columns"]]
