"""Scores against the share of trained parameters, as printed: the landing page's picture."""

from __future__ import annotations

from ...plan.registry import unknown
from .. import links
from ..documents import Book
from ..environment import render
from ..exhibit_charts import front_chart
from ..exhibit_view import exhibit_view
from ..page import raw


def myst(book: Book, page: str, *wanted: str) -> str:
    """The chart of the first of several `exhibit:column` that is there; nothing where none is."""
    documents = {document["id"]: document for document in book.documents}
    for exhibit, _, label in (name.partition(":") for name in wanted):
        if exhibit not in documents:
            continue
        view = exhibit_view(documents[exhibit])
        column = next((column for column in view.scores if column.label == label), None)
        if column is None:
            raise LookupError(unknown("column", label, [column.label for column in view.scores], exhibit))
        address = links.href(page, links.exhibit_page(exhibit))
        drawn = front_chart(view, column, address)
        return (
            raw(render("hero_chart.html", charts=drawn, title=documents[exhibit]["title"], href=address))
            if drawn
            else ""
        )
    return ""
