"""The page of a chapter: an executed notebook of `notebooks/`, with its code folded below its outputs, or shown."""

from __future__ import annotations

from typing import Any

from . import links
from .cell_page import text_of
from .documents import Book, exhibits_of
from .environment import render
from .page import raw

SHOWN_KEYS = ("kernelspec", "language_info")


def chapter_notebook(book: Book, name: str) -> dict[str, Any]:
    """A chapter's notebook as the book shows it, with what it belongs to and how to run it below its title.

    Args:
        book: the book; `book.chapters` has the notebook as papermill left it.
        name: of its file, such as `theory`; also the name of the page.
    """
    notebook = book.chapters[name]
    page = links.chapter_page(name)
    places = [book.place(page, exhibit) for exhibit in exhibits_of(notebook)]
    top = render(
        "chapter_top.html", name=name, places=list(filter(None, places)), file=links.file_href(page, f"{page}.ipynb")
    )
    # a chapter on how something is done says `code: shown`
    otherwise = ["shown-code"] if notebook["metadata"].get("code") == "shown" else ["hide-input"]
    cells = [_shown(cell, index, raw(top), otherwise) for index, cell in enumerate(notebook["cells"])]
    kept = {key: notebook["metadata"][key] for key in SHOWN_KEYS if key in notebook["metadata"]}
    return {"cells": cells, "metadata": kept, "nbformat": 4, "nbformat_minor": 5}


def _shown(cell: dict[str, Any], index: int, top: str, otherwise: list[str]) -> dict[str, Any]:
    source = text_of(cell["source"])
    if index == 0:
        heading, _, rest = source.partition("\n")
        source = f"{heading}\n\n{top}\n{rest}"
    shown = {"cell_type": cell["cell_type"], "id": f"c{index}", "source": source}
    if cell["cell_type"] != "code":
        return shown | {"metadata": {}}
    kept = [tag for tag in cell["metadata"].get("tags", []) if tag == "remove-input"]
    return shown | {
        "metadata": {"tags": kept or otherwise},
        "outputs": cell["outputs"],
        "execution_count": None,
    }
