"""The families of methods with their marks."""

from ..environment import render
from ..exhibit_view import FAMILIES
from ..page import raw


def myst(book, page):
    """A line of marks and names."""
    return raw(render("families.html", families=FAMILIES))
