"""Put generated pieces into hand-written pages."""

from __future__ import annotations

import importlib
import re
import shlex
from typing import Any

from ..plan.registry import files, unknown

FENCE = re.compile(r"^(`{3,})\{generated\} *(?P<call>[^\n]*)\n(?P<otherwise>.*?)^\1 *$", re.DOTALL | re.MULTILINE)


def with_pieces(text: str, book: Any, page: str, where: object) -> str:
    """A page's text with every `{generated}` fence replaced by what its piece returns.

    Args:
        text: the hand-written page.
        book: what is known, see `book.Book`.
        page: the page's name, for links.
        where: the page's file, for messages.
    Raises:
        LookupError: no such piece, or one that does not find what it was asked for.
    """

    def replaced(fence: re.Match) -> str:
        name, *arguments = shlex.split(fence["call"])
        if name not in files("book/pieces"):
            raise LookupError(
                unknown("piece", name, files("book/pieces"), f"ssmpeft_lib/book/pieces/ (asked for in {where})")
            )
        piece = importlib.import_module(f"ssmpeft_lib.book.pieces.{name}")
        return piece.myst(book, page, *arguments) or fence["otherwise"]

    return FENCE.sub(replaced, text)
