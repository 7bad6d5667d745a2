"""The printed shares of trainable parameters that no count reproduces, and what would have to hold for them."""

from __future__ import annotations

from typing import Any

import yaml

from ...plan.registry import PACKAGE
from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """One line a printed share, made from `workflow/errata/shares.yaml`; the tests count each anew."""
    lines = [
        share | {"table": f"Table {share['table']}", "place": book.place(page, f"table{share['table']:02}")}
        for share in missed_shares()
    ]
    return raw(render("missed_shares.html", lines=lines))


def missed_shares() -> list[dict[str, Any]]:
    """The printed shares that no count reproduces with the settings that the paper states."""
    path = PACKAGE.parent / "workflow" / "errata" / "shares.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))
