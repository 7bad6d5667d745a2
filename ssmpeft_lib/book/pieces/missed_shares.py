"""The printed shares of trainable parameters that no count reproduces, and what would have to hold for them."""

from __future__ import annotations

import yaml

from ...plan.registry import PACKAGE
from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """One line a printed share, made from `workflow/errata/shares.yaml`; the tests count each anew."""
    path = PACKAGE.parent / "workflow" / "errata" / "shares.yaml"
    missed = yaml.safe_load(path.read_text(encoding="utf-8"))
    lines = [
        share | {"table": f"Table {share['table']}", "place": book.place(page, f"table{share['table']:02}")}
        for share in missed
    ]
    return raw(render("missed_shares.html", lines=lines))
