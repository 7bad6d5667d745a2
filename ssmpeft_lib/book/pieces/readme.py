"""A section of README.md, so that a command is written down once."""

from __future__ import annotations

from ...plan.registry import PACKAGE
from ..documents import Book


def myst(book: Book, page: str, heading: str) -> str:
    """The text below a heading of the README, up to the next heading; nothing where there is no such heading."""
    path = PACKAGE.parent / "README.md"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept, inside, fenced = [], False, False
    for line in lines:
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            inside = line.lstrip("#").strip() == heading
        elif inside:
            kept.append(line)
    return "\n".join(kept).strip()
