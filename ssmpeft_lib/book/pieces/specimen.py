"""Some rows of a table, to show how one is read."""

from __future__ import annotations

from ..documents import Book
from ..environment import render
from ..exhibit_page import MARKS
from ..exhibit_view import exhibit_view
from ..page import raw

ROWS = 3


def myst(book: Book, page: str) -> str:
    """The first rows of the first table with few columns and with values of both sides; nothing where there is none."""
    for document in book.documents:
        view = exhibit_view(document)
        if view.dense:
            continue
        rows = [
            row
            for row in document["rows"]
            if all(point["printed"] and point["ours"].get("mean") is not None for point in row["points"])
        ]
        if len(rows) >= ROWS:
            part = document | {"rows": rows[:ROWS], "id": "specimen", "title": f"Some rows of {document['title']}"}
            return raw(render("exhibit_table.html", view=exhibit_view(part, page), marks=MARKS, bare=True))
    return ""
