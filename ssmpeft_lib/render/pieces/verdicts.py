"""The verdicts that a claim can get."""

from ..claims_view import WORDS
from ..environment import render
from ..page import raw


def myst(book, page):
    """A line of chips."""
    return raw(render("verdicts.html", words=WORDS))
