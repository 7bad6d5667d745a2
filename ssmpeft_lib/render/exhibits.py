"""An exhibit with the results of its cells: what the paper prints, what came out here, and how far apart they are."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ..plan import registry
from ..plan.cell import Cell
from ..plan.exhibit import Exhibit, Point, row_name
from ..plan.results import MissingMetric, read_metrics, value_at
from .claims import with_verdicts

SHARES = "params."

COSTS = ("train_seconds", "peak_memory_gb")
"""What a run costs, of metrics.json; its mean over the runs of a point stands beside the point's mean."""


def exhibit_document(
    exhibit: Exhibit, scale: str, seeds: range, results: Path, shares: dict[str, dict[str, dict]]
) -> dict[str, Any]:
    """Everything a page of the exhibit shows, as JSON.

    Args:
        exhibit: the spec.
        scale, seeds: whose results to read.
        results: the results directory.
        shares: counted parameters, by model and method.
    Returns:
        `id, title, source, scale, columns, rows, notes, claims`; each row has its spec's words, its method's family,
        and `points`, one for each column: `printed`, `ours` (mean, std, by_seed, cells, problems, costs), `difference`
        and `share`, the percentage of parameters that the method trains.
    """
    read = _Reader(results)
    rows = []
    for row, points in exhibit.point_rows():
        rows.append(
            {
                "name": row_name(row),
                "group": row.get("group", ""),
                "label": row["label"],
                "slots": row.get("slots", ""),
                "detail": row.get("detail", ""),
                "note": row.get("note", ""),
                "family": family_of(points[0].method),
                "points": [_point_document(point, scale, seeds, read, shares) for point in points],
            }
        )
    document = {
        "id": exhibit.id,
        "title": exhibit.title,
        "source": exhibit.spec["source"],
        "kind": exhibit.spec.get("kind", "table"),
        "scale": scale,
        "seeds": len(seeds),
        "fixed": exhibit.spec.get("fixed", {}),
        "columns": exhibit.columns,
        "rows": rows,
        "notes": exhibit.spec.get("notes", []),
    }
    return document | {"claims": with_verdicts(exhibit.spec.get("claims", []), document, exhibit.path)}


def family_of(method: str) -> str:
    """The family that a method's colour and mark stand for, read from the method's source without importing it."""
    name = method.partition("@")[0].partition(",")[0]
    return registry.class_literal("methods", name, "family")


class _Reader:
    """metrics.json files of a results directory, each read once."""

    def __init__(self, results: Path):
        self.results = results
        self.known: dict[Cell, dict[str, Any] | None] = {}

    def __call__(self, cell: Cell) -> dict[str, Any] | None:
        if cell not in self.known:
            path = self.results / cell.path / "metrics.json"
            self.known[cell] = read_metrics(path) if path.exists() else None
        return self.known[cell]


def _point_document(point: Point, scale: str, seeds: range, read: _Reader, shares: dict) -> dict[str, Any]:
    printed = point.printed
    ours = _share(point, shares) if point.metric.startswith(SHARES) else _measured(point, scale, seeds, read)
    difference = None
    if printed and not printed.bound and ours.get("mean") is not None:
        difference = round(ours["mean"] - printed.value, 6)
    return {
        "model": point.model,
        "method": point.method,
        "dataset": point.dataset,
        "metric": point.metric,
        "digits": point.digits,
        "better": point.better,
        "unserved": point.unserved,
        "printed": printed
        and {"value": printed.value, "std": printed.std, "bound": printed.bound, "mark": printed.mark},
        "ours": ours,
        "difference": difference,
        "share": shares.get(point.model, {}).get(point.method, {}).get("trainable_pct"),
    }


def _share(point: Point, shares: dict[str, dict[str, dict]]) -> dict[str, Any]:
    counted = shares.get(point.model, {}).get(point.method)
    return (
        {"mean": counted[point.metric.removeprefix(SHARES)], "counted": True}
        if counted
        else {"problems": ["not counted"]}
    )


def _measured(point: Point, scale: str, seeds: range, read: _Reader) -> dict[str, Any]:
    by_seed: dict[int, list[float]] = defaultdict(list)
    cells, problems, costs = point.cells(scale, seeds), [], []
    for cell in cells:
        metrics = read(cell)
        if metrics is None:
            problems.append(f"{cell}: not run")
        elif metrics["status"] == "failed":
            problems.append(f"{cell}: failed: {metrics['error']['type']}: {metrics['error']['message']}")
        else:
            try:
                by_seed[cell.seed].append(float(value_at(metrics, point.metric)))
                costs.append(metrics["cost"])
            except MissingMetric as missing:
                problems.append(str(missing))
    members = len(registry.groups().get(point.dataset, (point.dataset,)))
    # an average over data sets counts for a seed only when every data set has its value
    values = {seed: fmean(found) for seed, found in sorted(by_seed.items()) if len(found) == members}
    ours: dict[str, Any] = {"cells": [str(cell) for cell in cells]}
    if values:
        ours |= {"mean": round(fmean(values.values()), 6), "by_seed": {str(s): round(v, 6) for s, v in values.items()}}
        ours["std"] = round(stdev(values.values()), 6) if len(values) > 1 else None
        ours |= {
            name: round(fmean(cost[name] for cost in costs), 3) for name in COSTS if all(name in cost for cost in costs)
        }
    if problems:
        ours["problems"] = problems
    return ours
