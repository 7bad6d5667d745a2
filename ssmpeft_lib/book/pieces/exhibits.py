"""All tables and figures, with how much of each has a value."""

from __future__ import annotations

from .. import links
from ..claims_view import WORDS, overall
from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """A table of exhibits; nothing where there are none."""
    lines = [_line(page, document) for document in book.documents]
    return raw(render("exhibits.html", lines=lines, whose=book.whose)) if lines else ""


def _line(page, document):
    points = [point for row in document["rows"] for point in row["points"] if not point["metric"].startswith("params.")]
    have = sum(point["ours"].get("mean") is not None for point in points)
    name, _, title = document["title"].partition(": ")
    return {
        "name": name,
        "title": title[:1].upper() + title[1:],
        "href": links.href(page, links.exhibit_page(document["id"])),
        "scores": len(points),
        "have": have,
        "percent": round(100 * have / max(1, len(points))),
        "verdict": overall(document["claims"], "printed") if document["claims"] else None,
        "words": WORDS,
    }
