"""Quantities that the paper prints with two values, found by comparing all specs."""

from __future__ import annotations

from .. import links
from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """A table of them; nothing where the tables of this book have none."""
    twice = [entry | {"where": _where(book, page, entry)} for entry in book.printed_twice]
    return raw(render("printed_twice.html", twice=twice)) if twice else ""


def _where(book, page, entry):
    found = []
    for place in entry["where"]:
        number = place["exhibit"].removeprefix("table").lstrip("0")
        shown = book.place(page, place["exhibit"], links.slug(place["row"])) or {"name": f"Table {number}", "href": ""}
        found.append(shown | {"value": place["value"].rstrip("~?")})
    return found
