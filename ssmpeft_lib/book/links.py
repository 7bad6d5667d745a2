"""Names of the book's pages and the addresses from one to another. No other module builds such an address."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote

from ..plan.cell import Cell


def exhibit_page(exhibit: str) -> str:
    """Page of a table or figure."""
    return f"exhibits/{exhibit}"


def runs_page(exhibit: str) -> str:
    """Page that lists the runs behind a table or figure."""
    return f"runs/{exhibit}"


def cell_page(cell: Cell) -> str:
    """Page of a cell's executed notebook; its files lie in the folder of the same name."""
    return f"cells/{cell.model}/{cell.method}/{cell.dataset}/seed{cell.seed}"


def method_page(method: str) -> str:
    """Page of a method, by the name of its module."""
    return f"methods/{method}"


def chapter_page(chapter: str) -> str:
    """Page of a chapter that is a notebook, by the name of its file."""
    return chapter


def href(page: str, target: str, anchor: str = "") -> str:
    """Address of `target`, a page, as seen from `page`."""
    return file_href(page, f"{target}.html") + (f"#{anchor}" if anchor else "")


def file_href(page: str, path: str) -> str:
    """Address of a file that lies beside the pages, as seen from `page`."""
    return quote(posixpath.relpath(path, posixpath.dirname(page) or "."), safe="/@+,=")


def slug(text: str) -> str:
    """A text as an anchor: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")


def slot_anchor(slot: str) -> str:
    """Anchor of a slot in the glossary."""
    return f"slot-{slot}"
