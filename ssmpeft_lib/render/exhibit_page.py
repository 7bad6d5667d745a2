"""The page of a table or figure: its numbers, pictures, claims, notes and runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from ..plan import registry
from ..plan.cell import Cell
from . import charts, links
from .claims_view import claims_html
from .environment import prose, render
from .exhibit_view import Column, Row, View, exhibit_view
from .page import Page
from .statistics import rank_correlation

MARKS = {
    "cut": "the last digits are lost in the text that this table was read from",
    "reconstructed": "lost in the text that this table was read from, and computed from other printed numbers",
}

CSV_COLUMNS = (
    "exhibit", "group", "row", "slots", "detail", "column", "model", "method", "dataset", "metric", "printed", "printed_std",
    "mark", "ours", "ours_std", "seeds", "difference", "problems",
)  # fmt: skip


def exhibit_page(document: dict[str, Any], whose: str, link: Callable[[str], str | None]) -> Page:
    """The page of a joined exhibit.

    Args:
        document: what `exhibits.exhibit_document` made.
        whose: what our own numbers are called beside a verdict.
        link: from a name such as `Table 7` to an address as seen from this page, or None.
    """
    view = exhibit_view(document)
    page = Page(document["title"])
    cells = cells_of(document)
    runs = links.href(links.exhibit_page(view.id), links.runs_page(view.id))
    page.html(render("exhibit_meta.html", view=view, cells=len(cells), runs=runs))
    page.html(render("exhibit_table.html", view=view, marks=MARKS, bare=False))
    page.html(render("exhibit_key.html", view=view))
    _pictures(page, view)
    if document["claims"]:
        page.heading("What the table is taken to show", "claims-" + view.id)
        page.html(claims_html(document["claims"], whose))
    if document["notes"]:
        page.heading("Notes and errata", "notes-" + view.id)
        notes = [{"id": "", "kind": "note"} | note | {"text": prose(note["text"], link)} for note in document["notes"]]
        page.html(render("notes.html", notes=notes))
    return page


def cells_of(document: dict[str, Any]) -> list[Cell]:
    """The cells that feed an exhibit, each once, in reading order."""
    points = (point for row in document["rows"] for point in row["points"])
    return list(dict.fromkeys(Cell.parse(cell) for point in points for cell in point["ours"].get("cells", [])))


def exhibit_csv(document: dict[str, Any]) -> str:
    """Every point of an exhibit on a line of its own, as CSV."""
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in document["rows"]:
        for column, point in zip(document["columns"], row["points"], strict=True):
            printed, ours = point["printed"] or {}, point["ours"]
            heading = " ".join(filter(None, [column.get("group"), column["label"]]))
            bound = "<" if printed.get("bound") else ""
            writer.writerow(
                {key: row[key] for key in ("group", "slots", "detail")}
                | {key: point[key] for key in ("model", "method", "dataset", "metric", "difference")}
                | {"exhibit": document["id"], "row": row["label"], "column": heading}
                | {"printed": f"{bound}{printed.get('value', '')}", "printed_std": printed.get("std"), "mark": printed.get("mark")}
                | {"ours": ours.get("mean"), "ours_std": ours.get("std"), "seeds": len(ours.get("by_seed", {})) or None}
                | {"problems": "; ".join(ours.get("problems", [])) or point["unserved"] or None}
            )
    return file.getvalue()


def _pictures(page: Page, view: View) -> None:
    fronts = [front_chart(view, column) for column in _telling(view)]
    if any(fronts):
        page.heading("Against the number of parameters", "front-" + view.id)
        page.html(render("charts.html", charts=[chart for pair in fronts for chart in pair], caption=_FRONT, kind="large"))
    pairs = [(column, chart) for column in view.scores if (chart := agreement_chart(view, column))]
    if pairs:
        page.heading("Printed against ours", "agreement-" + view.id)
        page.html(render("charts.html", charts=[chart for _, chart in pairs], caption=_AGREEMENT, kind=""))


_FRONT = (
    "Each mark is a row of the table. Up and to the left is better: a higher score from fewer trained parameters. The line "
    "joins the rows that no other row beats in both. Pointing at a mark names it, and it leads to its row."
)
_AGREEMENT = (
    "Each mark is a row. On the line, ours equals the printed value; the axes differ, so that what shows is whether the "
    "rows come in the same order. The correlation is that of the ranks: 1 for the same order, 0 for none."
)


def front_chart(view: View, column: Column, address: str = "") -> list[str]:
    """Scores over trainable share, printed and own; none where fewer than four rows have both.

    `address` is that of the exhibit's page where the chart stands on another.
    """
    drawn = []
    for key, whose in (("printed", "printed"), ("ours", "ours")):
        dots = _dots(view, column, "share", key, address)
        if len(dots) > 3:
            title = f"{_named(view, column)}, {whose}"
            drawn.append(charts.front(dots, title, _described(title, "over the share of trained parameters", dots)))
    return drawn


def agreement_chart(view: View, column: Column) -> str:
    """Own values over printed ones; empty where fewer than four rows have both."""
    dots = _dots(view, column, "printed", "ours")
    if len(dots) < 4:
        return ""
    rank = rank_correlation([dot.x for dot in dots], [dot.y for dot in dots])
    title = _named(view, column) + (f": rank correlation {rank:.2f}".replace("-", "\u2212") if rank is not None else "")
    return charts.agreement(dots, title, _described(title, "ours over printed", dots))


def _named(view: View, column: Column) -> str:
    """A column with the data set that all of the exhibit is about."""
    dataset = view.document["fixed"].get("dataset", "")
    return " ".join(filter(None, [dataset.upper(), column.group, column.label]))


def _telling(view: View) -> list[Column]:
    """The columns that are drawn against the share: averages where there are any, else the first two."""
    first = view.document["rows"][0]["points"]
    averages = [column for column in view.scores if first[column.index]["dataset"] in registry.groups()]
    return averages[:2] if view.dense and averages else view.scores[:2]


def _dots(view: View, column: Column, x: str, y: str, address: str = "") -> list[charts.Dot]:
    dots = []
    rows = zip(view.rows, view.document["rows"], strict=True)
    for row, document in rows:
        point, shown = document["points"][column.index], row.shown[column.index]
        values = {
            "share": point.get("share"),
            "printed": (point["printed"] or {}).get("value"),
            "ours": point["ours"].get("mean"),
        }
        if values[x] is None or values[y] is None or (x == "share" and values[x] <= 0):
            continue
        said = [f"printed {shown.printed}" if shown.printed else "", f"ours {shown.own}" if shown.own else ""]
        share = f"{values['share']:.2g} % trained" if values["share"] is not None else ""
        dots.append(
            charts.Dot(
                family=row.family,
                x=values[x],
                y=values[y],
                label=_short_name(view, row),
                title=", ".join(filter(None, [row.name, *said, share])),
                href=f"{address}#{row.anchor}",
                spread=point["ours"].get("std") if y == "ours" else None,
            )
        )
    return dots


def _short_name(view: View, row: Row) -> str:
    """A row's label with its slots, or with its group where another row would be called the same."""
    if row.slots:
        return f"{row.label} {row.slots}"
    alike = [other for other in view.rows if (other.label, other.slots) == (row.label, "")]
    group = row.name.partition(" / ")[0]
    return row.label if len(alike) == 1 else f"{row.label}, {group}"


def _described(title: str, what: str, dots: list[charts.Dot]) -> str:
    top = max(dots, key=lambda dot: dot.y)
    return f"{title}, {what}, {len(dots)} rows; highest: {top.title}."
