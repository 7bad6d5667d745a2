"""Errata of the tables, and numbers that are printed twice with two values."""

from __future__ import annotations

from .. import links
from ..documents import Book
from ..environment import prose, render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """The errata, then what was found by comparing all specs."""
    link = book.link_from(page)
    errata = [
        erratum | {"text": prose(erratum["text"], link), "places": _places(book, page, erratum)}
        for erratum in book.table_errata
    ]
    twice = [entry | {"where": _where(book, page, entry)} for entry in book.printed_twice]
    return raw(render("errata_of_tables.html", errata=errata, twice=twice))


def _places(book, page, erratum):
    return [place for name in erratum["exhibits"] if (place := book.place(page, name, erratum["id"]))]


def _where(book, page, entry):
    found = []
    for place in entry["where"]:
        number = place["exhibit"].removeprefix("table").lstrip("0")
        shown = book.place(page, place["exhibit"], links.slug(place["row"])) or {"name": f"Table {number}", "href": ""}
        found.append(shown | {"value": place["value"].rstrip("~?")})
    return found
