"""The groups of slots that a method string may name."""

from __future__ import annotations

from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """A table of the groups of Mamba-1."""
    return raw(render("groups.html", groups=book.catalogue["groups"]))
