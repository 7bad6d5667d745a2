"""The verdicts that a claim can get."""

from __future__ import annotations

from ..claims_view import WORDS
from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """A line of chips."""
    return raw(render("verdicts.html", words=WORDS))
