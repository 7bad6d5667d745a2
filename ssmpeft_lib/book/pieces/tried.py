"""Where the tests were run besides the plain run: kinds of machines, versions of libraries; from what is recorded."""

from __future__ import annotations

import json

from ...plan.registry import PACKAGE
from ..documents import Book
from ..environment import render
from ..page import raw

RECORDED = {
    "Machines": PACKAGE.parent / "recorded" / "matrix.json",
    "Versions": PACKAGE.parent / "recorded" / "versions.json",
}
"""The heading of each table and the file that it is made from."""


def myst(book: Book, page: str) -> str:
    """A table for each file that is there: what was tried, what came out, and why something was not run."""
    parts = {
        heading: json.loads(path.read_text(encoding="utf-8")) for heading, path in RECORDED.items() if path.exists()
    }
    return raw(render("tried.html", parts=parts)) if parts else ""
