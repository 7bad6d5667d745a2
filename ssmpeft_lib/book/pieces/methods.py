"""The paper's methods with what they train."""

from __future__ import annotations

from ...compare.join import family_of
from .. import links
from ..documents import Book
from ..environment import prose, render
from ..method_facts import REFERENCE, names, slots_of
from ..page import raw


def myst(book: Book, page: str) -> str:
    """A table of methods."""
    lines = [
        {
            "title": book.titles[name],
            "href": links.href(page, links.method_page(name)),
            "family": family_of(name),
            "text": prose(book.catalogue["methods"][name]["summary"]),
            "slots": [one["slot"] for one in slots_of(book.shares, name)],
            "share": book.shares.get(REFERENCE, {}).get(name, {}).get("trainable_pct"),
        }
        for name in names()
        if not book.catalogue["methods"][name]["published"]
    ]
    return raw(render("methods.html", lines=lines, model=REFERENCE))
