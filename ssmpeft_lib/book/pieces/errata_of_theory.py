"""Errata of the formal statements, with the numbers that show them."""

from __future__ import annotations

from ...plan.errata import KINDS
from .. import links
from ..documents import Book
from ..environment import render
from ..page import raw

CHAPTER = "theory"
"""Where each is shown at work."""


def myst(book: Book, page: str) -> str:
    """A list of errata, by statement."""
    if not book.theory_errata:
        return ""
    shown = [entry | {"numbers": _numbers(entry.get("evidence", {}))} for entry in book.theory_errata]
    chapter = links.href(page, links.chapter_page(CHAPTER)) if CHAPTER in book.chapters else ""
    return raw(render("errata_of_theory.html", errata=shown, kinds=KINDS, chapter=chapter))


def _numbers(evidence):
    texts = {name: value if isinstance(value, str) else f"{value:g}" for name, value in evidence.items()}
    return {name.replace("_", " "): text.replace("-", "\u2212") for name, text in texts.items()}
