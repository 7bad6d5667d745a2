"""An exhibit with the results of its cells: what the paper prints, what came out here, and how far apart they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..plan import registry
from ..plan.exhibit import Exhibit, Point, column_name, load_exhibits, row_name
from .claims import evaluated
from .comparison import Column, Row
from .results import Results
from .values import Value

SHARES = "params."

JUDGED = ("real", "paper")
"""Scales whose numbers a claim is tested on; those of miniatures are evidence of nothing but that a row ran."""

SHOWN = 4
"""Cells that a note names."""

COMPARED = ("paper",)
"""Scales whose numbers are compared with the printed ones: those of the paper's own models and data."""


def exhibit_document(
    exhibit: Exhibit,
    scale: str,
    seeds: range,
    results: Path,
    shares: dict[str, dict[str, dict]],
    recorded: Path | None = None,
    small: Path | None = None,
) -> dict[str, Any]:
    """Everything a page of the exhibit shows, as JSON.

    Args:
        exhibit: the spec.
        scale, seeds: whose results to read.
        results: the results directory.
        shares: counted parameters, by model and method.
        recorded: folder of results at paper scale that are kept in the repository.
        small: results directory with the recorded runs of scale real, where they are to stand beside those of another.
    Returns:
        `id, title, source, scale, columns, rows, notes, claims`, and `kept`, what is known of recorded points that
        stand in place of miniatures; each row has its spec's words, its method's family, and `points`, one for each
        column: `printed`, `ours` (mean, std, by_seed, cells, problems; `of_full`, its percentage of full fine-tuning's
        in the same exhibit), `recorded` and `small` (the same, where there are such results) and, at the scales of
        `COMPARED`, `difference`. Claims are as `claims.evaluated` returns them, with our own numbers at the scales of
        `JUDGED`.
    """
    sources = {"ours": Results(results, scale, seeds)}
    if recorded is not None and (found := Results.recorded(recorded)).seeds:
        sources["recorded"] = found
    if small is not None and scale != "real" and (found := Results.recorded(small, "real")).seeds:
        sources["small"] = found
    # claims may span exhibits, whose specs lie beside this one
    tables = {table.id: table for table in (exhibit, *load_exhibits(exhibit.path.parent, sorted(exhibit.spans)))}
    kept = {id: {} if scale in COMPARED else recorded_points(recorded, id) for id in tables}
    joined = {id: _join(table, sources, shares, kept[id].get("points", {}), scale) for id, table in tables.items()}
    own = joined[exhibit.id]
    _add_shares_of_full([one.document for row in own.values() for one in row])
    return {
        "id": exhibit.id,
        "title": exhibit.title,
        "source": exhibit.spec["source"],
        "kind": exhibit.spec.get("kind", "table"),
        "scale": scale,
        "small_seeds": len(sources["small"].seeds) if "small" in sources else 0,
        "seeds": kept[exhibit.id].get("seeds", len(seeds)),
        "kept": {key: value for key, value in kept[exhibit.id].items() if key != "points"},
        "fixed": exhibit.spec.get("fixed", {}),
        "columns": exhibit.columns,
        "rows": [_row_document(row, cells) for row, cells in zip(exhibit.rows, own.values(), strict=True)],
        "notes": [*exhibit.spec.get("notes", []), *_notes_on_scores(sources["ours"], own)],
        "claims": [_evaluated(claim, exhibit, tables, joined) for claim in exhibit.spec.get("claims", [])],
    }


def _notes_on_scores(ours: Results, rows: Mapping[str, list[_Joined]]) -> list[dict[str, str]]:
    """What the cells of some rows say about their scores, such as that one is 0 by definition, as notes."""
    asked = {cell for row in rows.values() for one in row for cell in one.document["ours"].get("cells", [])}
    found = []
    for note, said in sorted(ours.notes.items()):
        if not (cells := [cell for cell in said if cell in asked]):
            continue
        more = f" and {len(cells) - SHOWN} more" if len(cells) > SHOWN else ""
        shown = ", ".join(f"`{cell}`" for cell in cells[:SHOWN])
        found.append({"title": "About our scores", "text": f"{note}: {shown}{more}."})
    return found


def recorded_points(recorded: Path | None, exhibit: str) -> dict[str, Any]:
    """The points of an exhibit whose runs at full size are kept in the repository, by row and column.

    Returns:
        `runs`, the file that they were taken from, its `setting`, `seeds`, `made_by` and `points`; nothing where there
        are none.
    """
    path = Path(recorded) / "exhibits" / f"{exhibit}.json" if recorded else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else {}


def family_of(method: str) -> str:
    """The family that a method's colour and mark stand for, read from the method's source without importing it."""
    name = method.partition("@")[0].partition(",")[0]
    return registry.class_literal("methods", name, "family")


@dataclass(frozen=True)
class _Joined:
    """A point with its numbers: for its page, and for each lane of a claim."""

    point: Point
    document: dict[str, Any]
    values: dict[str, Value | None]


def _join(
    exhibit: Exhibit, sources: Mapping[str, Results], shares: dict, kept: Mapping[str, dict[str, dict]], scale: str
) -> dict[str, list[_Joined]]:
    """Every row of an exhibit, by its name."""
    return {
        row_name(row): [
            _kept(point, kept[point.row][point.column], sources["ours"], shares)
            if point.column in kept.get(point.row, {})
            else _joined(point, sources, shares, scale)
            for point in points
        ]
        for row, points in exhibit.point_rows()
    }


def _kept(point: Point, numbers: dict[str, Any], own: Results, shares: dict) -> _Joined:
    """A point with numbers that are kept in the repository, in place of those of its cells, which are miniatures."""
    by_seed = {int(seed): [value] for seed, value in numbers.get("by_seed", {}).items()}
    values = {
        "printed": _printed(point),
        "recorded": Value(numbers["mean"], by_seed=by_seed),
    }
    ran = own.measured(point)[0]
    numbers = numbers | {"cells": ran["cells"], "problems": ran.get("problems", [])}
    document = _point_document(point, {"ours": numbers}, compared=True) | {"share": _share_of(point, shares)}
    return _Joined(point, document, values)


def _joined(point: Point, sources: Mapping[str, Results], shares: dict, scale: str) -> _Joined:
    counted = point.metric.startswith(SHARES)
    numbers, values = {}, {"printed": _printed(point)}
    if counted:
        numbers["ours"], values["counted"] = _share(point, shares)
    else:
        for lane, source in sources.items():
            numbers[lane], values[lane] = source.measured(point)
        if scale not in JUDGED:
            del values["ours"]
        for lane in ("recorded", "small"):
            if "mean" not in numbers.get(lane, {}):
                numbers.pop(lane, None)
    document = _point_document(point, numbers, compared=counted or scale in COMPARED)
    return _Joined(point, document | {"share": _share_of(point, shares)}, values)


def _share_of(point: Point, shares: dict) -> float | None:
    return shares.get(point.model, {}).get(point.method, {}).get("trainable_pct")


def _printed(point: Point) -> Value | None:
    return Value.of_printed(point.printed, point.digits, point.read_to)


def _share(point: Point, shares: dict[str, dict[str, dict]]) -> tuple[dict[str, Any], Value | None]:
    counted = shares.get(point.model, {}).get(point.method)
    if not counted or "problem" in counted:
        return {"problems": [f"not counted: {counted['problem']}" if counted else "not counted"]}, None
    value = Value(counted[point.metric.removeprefix(SHARES)])
    return {"mean": value.mean, "counted": True}, value


def _point_document(point: Point, numbers: dict[str, dict[str, Any]], compared: bool) -> dict[str, Any]:
    printed, mean = point.printed, numbers["ours"].get("mean")
    both = compared and printed and not printed.bound and mean is not None
    difference = round(mean - printed.value, 6) if both else None
    return {
        "model": point.model,
        "method": point.method,
        "dataset": point.dataset,
        "metric": point.metric,
        "digits": point.digits,
        "better": point.better,
        "printed": printed
        and {
            "value": printed.value,
            "std": printed.std,
            "bound": printed.bound,
            "mark": "digitised" if point.read_to else printed.mark,
            "read_to": point.read_to,
            "lost": printed.lost(point.digits),
        },
        **numbers,
        "difference": difference,
    }


def _add_shares_of_full(points: list[dict[str, Any]]) -> None:
    """Add to each score where more is better its percentage of what full fine-tuning has of the same quantity."""

    def key(point: dict[str, Any]) -> tuple:
        return point["model"], point["dataset"], point["metric"]

    scores = [point for point in points if point["better"] == "higher" and "mean" in point["ours"]]
    full = {key(point): point["ours"]["mean"] for point in scores if point["method"] == "full"}
    for point in scores:
        if point["method"] != "full" and full.get(key(point), 0) > 0:
            point["ours"]["of_full"] = round(100 * point["ours"]["mean"] / full[key(point)], 1)


def _row_document(row: dict, joined: list[_Joined]) -> dict[str, Any]:
    words = {key: row.get(key, "") for key in ("group", "label", "slots", "detail", "note")}
    points = [one.document for one in joined]
    return {"name": row_name(row), **words, "family": family_of(joined[0].point.method), "points": points}


def _evaluated(
    claim: dict, exhibit: Exhibit, tables: dict[str, Exhibit], joined: dict[str, dict[str, list[_Joined]]]
) -> dict[str, Any]:
    wanted = claim.get("columns")
    if not isinstance(wanted, dict):
        return evaluated(claim, _rows(exhibit), _columns(exhibit, joined[exhibit.id], wanted), exhibit.path)
    columns = [
        replace(column, label=f"{tables[id].title.partition(':')[0]}, {column.label}", rows=_rows(tables[id]))
        for id, labels in wanted.items()
        for column in _columns(tables[id], joined[id], labels)
    ]
    return evaluated(claim, _rows(exhibit), columns, exhibit.path)


def _rows(exhibit: Exhibit) -> list[Row]:
    return [Row(row_name(row), row.get("group", ""), row["label"]) for row in exhibit.rows]


def _columns(exhibit: Exhibit, rows: dict[str, list[_Joined]], wanted: list[str] | None) -> list[Column]:
    """The columns of an exhibit that a claim is about: all scores, or those of some labels."""
    places = [exhibit.column(label) for label in wanted] if wanted else exhibit.scores
    columns = []
    for i in places:
        values = {
            lane: {name: row[i].values[lane] for name, row in rows.items()}
            for lane in next(iter(rows.values()))[i].values
        }
        columns.append(Column(column_name(exhibit.columns[i]), exhibit.columns[i].get("better", "higher"), values))
    return columns
