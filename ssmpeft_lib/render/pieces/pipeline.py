"""What the pipeline itself costs: planning, the parts of one cell, the book; from recorded/pipeline.json."""

from __future__ import annotations

import json

from ...plan.registry import PACKAGE
from ..book import Book
from ..environment import render
from ..page import raw

RECORDED = PACKAGE.parent / "recorded" / "pipeline.json"


def myst(book: Book, page: str) -> str:
    """Three tables; nothing where nothing was measured."""
    if not RECORDED.exists():
        return ""
    return raw(render("pipeline.html", **json.loads(RECORDED.read_text(encoding="utf-8"))))
