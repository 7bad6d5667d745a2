"""The errata of one weight, those of the tables before those of the formal statements."""

from __future__ import annotations

from ...plan.errata import WEIGHTS
from ...plan.registry import unknown
from ..documents import Book
from ..errata_view import errata_html, of_tables, of_theory
from ..page import raw


def myst(book: Book, page: str, weight: str) -> str:
    """A list of errata; nothing where this book has none of that weight.

    Raises:
        LookupError: no such weight.
    """
    if weight not in WEIGHTS:
        raise LookupError(unknown("weight", weight, WEIGHTS, "plan/errata.py"))
    link = book.link_from(page)
    found = [of_tables(one, link) for one in book.table_errata if one["weight"] == weight]
    found += [of_theory(one) for one in book.theory_errata if one["weight"] == weight]
    heading = f"({weight})=\n## {WEIGHTS[weight]} ({len(found)})"
    return f"{heading}\n\n{raw(errata_html(found))}" if found else ""
