"""The page of a table or figure: its numbers, pictures, claims, notes and runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

from ..compare.join import SHARES
from ..plan.cell import Cell
from . import links
from .claims_view import claims_html
from .environment import prose, render
from .exhibit_charts import add_comparisons, add_fronts
from .exhibit_view import exhibit_view
from .notice import Notice
from .page import Page

MARKS = {
    "cut": ("~", "the last digits are lost in the text that this table was read from"),
    "reconstructed": (
        "?",
        "the number or its last digits are lost in the text that this table was read from, and were "
        "computed from other printed numbers",
    ),
    "digitised": ("≈", "read off a picture in the authors' repository"),
}
"""What is uncertain about a printed number: the sign that stands beside it, and what it says."""

CSV_COLUMNS = (
    "exhibit", "group", "row", "slots", "detail", "column", "model", "method", "dataset", "metric", "source",
    "printed", "bound", "printed_std", "mark", "small", "small_std", "small_seeds", "scale", "ours", "ours_std",
    "seeds", "of_full", "difference", "problems",
)  # fmt: skip


def exhibit_page(
    document: dict[str, Any],
    whose: str,
    link: Callable[[str], str | None],
    notice: Notice,
    chapters: Sequence[dict[str, str]] = (),
) -> Page:
    """The page of a joined exhibit.

    Args:
        document: what `exhibits.exhibit_document` made.
        whose: what our own numbers are called beside a verdict.
        link: from a name such as `Table 7` to an address as seen from this page, or None.
        notice: what our own numbers stand for.
        chapters: names and addresses of the chapters that are about it.
    """
    view = exhibit_view(document)
    page = Page(document["title"])
    cells = cells_of(document)
    runs = links.href(links.exhibit_page(view.id), links.runs_page(view.id))
    page.search_words(_words_of(document))
    page.html(render("exhibit_meta.html", view=view, cells=len(cells), runs=runs, chapters=chapters))
    page.html(notice.html(document["kept"], view.stand_ins, view.zeros))
    drawn_in_print = document["kind"] == "figure"
    if drawn_in_print:
        add_fronts(page, view)
        page.heading("The numbers", "numbers-" + view.id)
    page.html(render("exhibit_table.html", view=view, marks=MARKS, bare=False))
    page.html(render("exhibit_key.html", view=view))
    if not drawn_in_print:
        add_fronts(page, view)
    add_comparisons(page, view)
    if document["claims"]:
        page.heading(f"What the {document['kind']} is taken to show", "claims-" + view.id)
        page.html(claims_html(document["claims"], whose))
    if document["notes"]:
        page.heading("Notes and errata", "notes-" + view.id)
        notes = [{"id": "", "kind": "note"} | note | {"text": prose(note["text"], link)} for note in document["notes"]]
        page.html(render("notes.html", notes=notes))
    return page


def _words_of(document: dict[str, Any]) -> list[str]:
    """What leads to an exhibit: its number, and the models, data sets and scores that it has results of."""
    points = [point for row in document["rows"] for point in row["points"]]
    scores = [point["metric"].rpartition(".")[2] for point in points if not point["metric"].startswith(SHARES)]
    places = [point[key] for key in ("model", "dataset") for point in points]
    return [document["title"].partition(":")[0], *places, *(name for name in scores if name != "score")]


def cells_of(document: dict[str, Any]) -> list[Cell]:
    """The cells that feed an exhibit, each once, in reading order."""
    points = (point for row in document["rows"] for point in row["points"])
    return list(dict.fromkeys(Cell.parse(cell) for point in points for cell in point["ours"].get("cells", [])))


def exhibit_csv(document: dict[str, Any]) -> str:
    """Every point of an exhibit on a line of its own, as CSV.

    `printed` is a number; where only a bound is printed, `bound` has its sign. `source` is the place in the paper,
    `mark` what is uncertain in print, and `scale` that of our own numbers, or `recorded` where they were recorded at
    full size.
    """
    scale = "recorded" if document["kept"] else document["scale"]
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in document["rows"]:
        for column, point in zip(document["columns"], row["points"], strict=True):
            printed, ours, small = point["printed"] or {}, point["ours"], point.get("small", {})
            heading = " ".join(filter(None, [column.get("group"), column["label"]]))
            writer.writerow(
                {key: row[key] for key in ("group", "slots", "detail")}
                | {key: point[key] for key in ("model", "method", "dataset", "metric", "difference")}
                | {"exhibit": document["id"], "row": row["label"], "column": heading, "scale": scale}
                | {
                    "source": document["source"],
                    "printed": printed.get("value"),
                    "bound": "<" if printed.get("bound") else None,
                    "printed_std": printed.get("std"),
                    "mark": printed.get("mark"),
                }
                | {
                    "small": small.get("mean"),
                    "small_std": small.get("std"),
                    "small_seeds": len(small.get("by_seed", {})) or None,
                }
                | {
                    "of_full": ours.get("of_full"),
                    "ours": ours.get("mean"),
                    "ours_std": ours.get("std"),
                    "seeds": len(ours.get("by_seed", {})) or None,
                }
                | {"problems": "; ".join(ours.get("problems", [])) or None}
            )
    return file.getvalue()
