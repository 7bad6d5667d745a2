"""Lists of runs: those behind an exhibit, and all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..compare.join import family_of
from ..drawing.charts import sparkline
from ..drawing.numbers import fixed
from ..plan.cell import Cell
from ..plan.method_string import MethodString
from . import links
from .environment import render
from .notice import Notice
from .page import Page

Results = dict[Cell, dict[str, Any] | None]


def runs_page(
    title: str,
    page: str,
    back: tuple[str, str] | None,
    cells: Iterable[Cell],
    results: Results,
    notice: Notice,
    titles: Mapping[str, str],
) -> Page:
    """A page that lists runs, one line for each model, method and data set, with its seeds.

    Args:
        title: of the page.
        page: its name, for the links.
        back: name and address of what the runs feed, or None.
        cells: the runs, in reading order.
        results: metrics.json of each cell, or None where there is none.
        notice: what our own numbers stand for.
        titles: what each method is called.
    """
    made = Page(title, orphan=True, search=back is None)
    lines = _lines(page, cells, results, titles)
    _draw_curves(lines)
    seeds = sorted({seed["seed"] for line in lines for seed in line["seeds"]})
    counts = _counts([seed["status"] for line in lines for seed in line["seeds"]])
    made.html(notice.html())
    made.html(render("runs.html", lines=lines, seeds=seeds, counts=counts, back=back))
    return made


def _lines(page: str, cells: Iterable[Cell], results: Results, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    lines: dict[tuple[str, str, str], dict[str, Any]] = {}
    for cell in cells:
        words = (cell.model, cell.method, cell.dataset)
        line = lines.setdefault(
            words,
            {
                "model": cell.model,
                "method": cell.method,
                "dataset": cell.dataset,
                "name": titles[MethodString.parse(cell.method).name],
                "family": family_of(cell.method),
                "anchor": links.slug(f"{cell.model} {cell.method}"),
                "first": (cell.model, cell.method) not in {key[:2] for key in lines},
                "seeds": [],
                "histories": [],
                "curve": "",
            },
        )
        metrics = results.get(cell)
        line["seeds"].append(_seed(page, cell, metrics))
        if metrics and metrics.get("history") and all("val_score" in entry for entry in metrics["history"]):
            line["histories"].append(metrics["history"])
    return list(lines.values())


def _draw_curves(lines: list[dict[str, Any]]) -> None:
    """Give each line its validation scores over steps, one curve a seed; those of a data set share their axis."""
    ranges: dict[str, list[float]] = {}
    for line in lines:
        found = ranges.setdefault(line["dataset"], [])
        found += [entry["val_score"] for history in line["histories"] for entry in history]
    for line in lines:
        if not line["histories"]:
            continue
        low, high = min(ranges[line["dataset"]]), max(ranges[line["dataset"]])
        last = max(history[-1]["step"] for history in line["histories"])
        curves = [[(entry["step"] / last, entry["val_score"]) for entry in history] for history in line["histories"]]
        ends = ", ".join(fixed(history[-1]["val_score"], 1) for history in line["histories"])
        line["curve"] = sparkline(curves, low, high, f"Validation score over steps, ending at {ends}")


def _seed(page: str, cell: Cell, metrics: dict[str, Any] | None) -> dict[str, Any]:
    if metrics is None:
        return {"seed": cell.seed, "status": "not run", "text": "not run", "title": "", "href": ""}
    address = links.href(page, links.cell_page(cell))
    if metrics["status"] == "failed":
        why = f"{metrics['error']['type']}: {metrics['error']['message']}"
        return {"seed": cell.seed, "status": "failed", "text": "failed", "title": why, "href": address}
    score = metrics.get("test", metrics.get("val", {})).get("score")
    text = fixed(score, 1) if score is not None else "done"
    return {"seed": cell.seed, "status": "done", "text": text, "title": "", "href": address}


def _counts(statuses: list[str]) -> list[tuple[int, str]]:
    return [(statuses.count(status), status) for status in ("done", "failed", "not run") if status in statuses]
