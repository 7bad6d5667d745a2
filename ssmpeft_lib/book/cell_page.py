"""The page of a cell: its executed notebook, with what it says on top, outputs before code, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..compare.join import SHARES
from ..drawing.numbers import fixed
from ..plan.cell import Cell
from ..plan.method_string import MethodString
from ..plan.results import MissingMetric, value_at
from . import links
from .environment import render
from .notice import Notice
from .page import plain, raw

PAGE_METADATA = {"orphan": True, "nosearch": True, "html_theme.sidebar_secondary.remove": True}
"""Kept out of the table of contents, whose cost grows with the square of the pages, and out of the search index, which
every page loads; the page of all runs has a search of its own."""


@dataclass(frozen=True)
class Use:
    """A number of an exhibit that a cell feeds."""

    exhibit: str
    title: str
    row: str
    anchor: str
    column: str
    metric: str
    printed: str
    digits: int


def uses_of(documents: Iterable[dict[str, Any]]) -> dict[str, list[Use]]:
    """Collect for each cell the numbers that it feeds, over all joined exhibits."""
    from .exhibit_view import exhibit_view

    found: dict[str, list[Use]] = {}
    for document in documents:
        view = exhibit_view(document)
        for row, joined in zip(view.rows, document["rows"], strict=True):
            for shown, point in zip(row.shown, joined["points"], strict=True):
                where = (document["title"], row.name, row.anchor, shown.column.name)
                for cell in point["ours"].get("cells", []):
                    use = Use(view.id, *where, point["metric"], shown.printed, shown.column.digits)
                    found.setdefault(cell, []).append(use)
    return found


def cell_notebook(
    notebook: dict[str, Any],
    cell: Cell,
    metrics: dict[str, Any],
    uses: list[Use],
    seeds: Iterable[int],
    files: list[str],
    notice: Notice,
    titles: Mapping[str, str],
) -> dict[str, Any]:
    """The notebook as the book shows it.

    Args:
        notebook: as papermill left it.
        metrics: the cell's metrics.json.
        uses: the numbers that it feeds.
        seeds: the seeds that were run of the same model, method and data set.
        files: names of what lies beside the page.
        notice: what our own numbers stand for.
        titles: what each method is called.
    """
    page = links.cell_page(cell)
    top = render(
        "cell_top.html",
        cell=cell,
        notice=notice.html(),
        metrics=metrics,
        scores=_scores(metrics, uses),
        uses=_where(page, uses),
        seeds=[(seed, links.href(page, _sibling(cell, seed))) for seed in sorted(seeds)],
        files=[(name, links.file_href(page, f"{page}/{name}")) for name in files],
    )
    bottom = render("cell_bottom.html", cell=cell, target=f"results/{cell.path}/metrics.json")
    cells = [
        _markdown(f"# {plain(cell_title(cell, titles))}\n\n{raw(top)}"),
        *_body(notebook["cells"]),
        _markdown(raw(bottom)),
    ]
    for index, one in enumerate(cells):
        one["id"] = f"c{index}"
    kept = {key: notebook["metadata"][key] for key in ("kernelspec", "language_info") if key in notebook["metadata"]}
    return {"cells": cells, "metadata": kept | PAGE_METADATA, "nbformat": 4, "nbformat_minor": 5}


def cell_title(cell: Cell, titles: Mapping[str, str]) -> str:
    """A cell in words, such as ``LoRA on `out_proj`, `dart`, seed 0``."""
    method = MethodString.parse(cell.method)
    targets = " on " + ", ".join(f"`{target}`" for target in method.targets) if method.targets else ""
    options = "".join(f", {key} {value}" for key, value in method.options.items())
    return f"{titles[method.name]}{targets}{options}, `{cell.dataset}`, seed {cell.seed}"


def _body(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The notebook's cells without its title and papermill's notes; code without output is gathered at the end."""
    body, silent = [], []
    for cell in cells:
        source = text_of(cell["source"])
        if cell["cell_type"] != "code":
            if not source.startswith("# ") and "papermill" not in " ".join(cell["metadata"].get("tags", [])):
                body.append(_markdown(source))
        elif _shows(cell):
            body.append(_code(source, [_as_html(output) for output in cell["outputs"]]))
        else:
            silent.append(source)
    return [*body, _markdown("## Set-up"), _code("\n\n".join(silent), [])] if silent else body


def _as_html(output: dict[str, Any]) -> dict[str, Any]:
    """An output without its other forms, where it has one in HTML."""
    markup = output.get("data", {}).get("text/html")
    return output if markup is None else output | {"data": {"text/html": markup}}


def _shows(cell: dict[str, Any]) -> bool:
    """Whether a code cell has anything to show; an output may be empty."""
    return any(text_of(output.get("data", {}).get("text/html", "x")) for output in cell.get("outputs", []))


def _scores(metrics: dict[str, Any], uses: list[Use]) -> list[dict[str, str]]:
    """Each metric that an exhibit asks of the cell, with the printed values it stands beside."""
    found: dict[str, dict[str, str]] = {}
    for use in uses:
        if use.metric.startswith(SHARES) or use.metric in found:
            continue
        try:
            value = fixed(value_at(metrics, use.metric), use.digits)
        except MissingMetric:
            value = ""
        found[use.metric] = {"name": use.metric.replace(".", " "), "value": value}
    return list(found.values())


def _where(page: str, uses: list[Use]) -> list[dict[str, str]]:
    """The rows that a cell feeds, each once, with their columns and printed values."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for use in uses:
        address = links.href(page, links.exhibit_page(use.exhibit), use.anchor)
        name = use.title.partition(":")[0]
        row = rows.setdefault((use.exhibit, use.anchor), {"name": name, "row": use.row, "href": address, "columns": []})
        row["columns"].append(f"{use.column} {use.printed}".strip())
    return list(rows.values())


def _sibling(cell: Cell, seed: int) -> str:
    return links.cell_page(Cell(cell.scale, cell.model, cell.method, cell.dataset, seed))


def text_of(source: str | list[str]) -> str:
    """A cell's source or an output, which notebooks may keep as lines."""
    return source if isinstance(source, str) else "".join(source)


def _markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def _code(source: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = {"tags": ["hide-input"]}
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": outputs, "execution_count": None}
