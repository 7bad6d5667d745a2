"""What the pipeline itself costs: planning, data, the parts of one cell, the book; from what is recorded of it."""

from __future__ import annotations

import json

from ...plan.registry import PACKAGE
from ..documents import Book
from ..environment import render
from ..page import raw

RECORDED = PACKAGE.parent / "recorded" / "pipeline.json"
DATA = PACKAGE.parent / "recorded" / "data.json"


def myst(book: Book, page: str) -> str:
    """A table for each part that was measured; nothing where nothing was."""
    parts = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    if DATA.exists():
        parts["data"] = json.loads(DATA.read_text(encoding="utf-8"))
    return raw(render("pipeline.html", **parts)) if parts else ""
