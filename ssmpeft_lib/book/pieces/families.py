"""The families of methods with their marks."""

from __future__ import annotations

from ...plan.registry import family_labels
from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """A line of marks and names."""
    return raw(render("families.html", families=family_labels()))
