"""Generated pieces of hand-written pages, one file each, found by their names.

A page asks for a piece with a fence, and what stands in the fence is shown where there is nothing to show:

    ```{generated} counts
    Nothing was run yet.
    ```

A file of this folder has what `Piece` says. Start from families.py; HTML comes from a template in ../templates/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..documents import Book


class Piece(Protocol):
    """What a file of this folder has."""

    def myst(book: Book, page: str, *arguments: str) -> str:
        """What stands in place of the fence, as MyST text; empty where there is nothing to show.

        Args:
            book: results, specs and prose of the book.
            page: name of the page that asks, from which links go out.
            arguments: words behind the name of the piece in the fence.
        Raises:
            LookupError: what an argument names is not there; says what is.
        """
