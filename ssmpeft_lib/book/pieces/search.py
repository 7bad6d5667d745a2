"""What many learning rates side by side cost against one; from recorded/search.json."""

from __future__ import annotations

import json

from ...plan.registry import PACKAGE
from ..documents import Book
from ..environment import render
from ..page import raw

RECORDED = PACKAGE.parent / "recorded" / "search.json"


def myst(book: Book, page: str) -> str:
    """A table; nothing where nothing was measured."""
    if not RECORDED.exists():
        return ""
    return raw(render("search.html", **json.loads(RECORDED.read_text(encoding="utf-8"))))
