"""What our own numbers stand for, where a hand-written page shows some."""

from __future__ import annotations

from ..documents import Book
from ..page import raw


def myst(book: Book, page: str) -> str:
    """The notice; nothing at the scale of the paper, and where nothing was run."""
    ran = any(metrics is not None for metrics in book.metrics.values())
    text = book.notice.html() if ran else ""
    return raw(text) if text else ""
