"""Errata of the tables, and numbers that are printed twice with two values."""

from __future__ import annotations

from collections import defaultdict

from .. import links
from ..book import Book
from ..environment import prose, render
from ..numbers import fixed
from ..page import raw


def myst(book: Book, page: str) -> str:
    """The errata of the specs, then what the machine found."""
    link = book.link_from(page)
    notes = [
        note
        | {
            "text": prose(note["text"], link),
            "name": document["title"].partition(":")[0],
            "href": _address(page, document, note),
        }
        for note, document in book.table_errata
    ]
    return raw(render("errata_of_tables.html", notes=notes, twice=_printed_twice(book, page)))


def _address(page, document, note):
    return links.href(page, links.exhibit_page(document["id"]), note["id"])


def _printed_twice(book, page):
    """Points that name the same quantity and are printed with different values."""
    printed = defaultdict(list)
    for document in book.documents:
        for row in document["rows"]:
            for column, point in zip(document["columns"], row["points"], strict=True):
                if point["printed"] and not point["printed"]["bound"]:
                    key = tuple(point[word] for word in ("model", "method", "dataset", "metric"))
                    printed[key].append((point["printed"]["value"], document, row, column, point["digits"]))
    found = []
    for key, places in printed.items():
        coarsest = min(digits for *_, digits in places)
        if len({fixed(value, coarsest) for value, *_ in places}) > 1:
            where = [
                {
                    "name": document["title"].partition(":")[0],
                    "row": row["name"],
                    "href": links.href(page, links.exhibit_page(document["id"]), links.slug(row["name"])),
                    "value": fixed(value, digits),
                }
                for value, document, row, _, digits in places
            ]
            found.append({"model": key[0], "method": key[1], "dataset": key[2], "metric": key[3], "where": where})
    return found
