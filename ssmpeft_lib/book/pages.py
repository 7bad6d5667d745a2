"""The book's source: prose with its generated pieces, and a page for everything that specs, results and code say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ..plan import registry
from ..plan.atomic import write_text
from ..plan.cell import Cell
from . import links
from .cell_page import cell_notebook
from .chapter_page import chapter_notebook
from .documents import Book
from .exhibit_page import cells_of, exhibit_csv, exhibit_page
from .insert import with_pieces
from .method_page import CODE, method_page
from .runs_page import runs_page
from .staging import Staging
from .style_sheet import style_sheet

BESIDE_A_CELL = ("cell.ipynb", "metrics.json", "predictions.jsonl")
CITATION = "CITATION.cff"
NOT_PAGES = ("style", "methods", "_toc.yml", "findings.yml")
"""What lies in `book/` and is worked into other files."""


def make_pages(
    scale: str,
    results: Path,
    prose: Path,
    output: Path,
    joined: Sequence[Path] | None = None,
    code_reach: str = "cell",
) -> Path:
    """Put the book's source together; `_toc.yml` in it is written last.

    Args:
        scale: whose results to show.
        results: the results directory.
        prose: the folder of hand-written pages.
        output: path of the `_toc.yml` to write.
        joined: the joined exhibits to show; all that there are of the scale if not given.
        code_reach: what counts as the code of a result, one of `plan.code.REACHES`.
    Returns:
        the folder of the book's source.
    """
    book, staging = Book(scale, results, prose, joined, code_reach), Staging(Path(output).parent)
    _write_prose(book, staging)
    for document in book.documents:
        _write_exhibit(book, staging, document)
    for name in registry.files("methods"):
        _write_method(book, staging, name)
    for name in book.chapters:
        _write_chapter(book, staging, name)
    for cell in book.cells:
        _write_cell(book, staging, cell)
    runs = runs_page("All runs", "runs", None, book.cells, book.metrics, book.notice, book.titles)
    staging.page("runs", str(runs))
    staging.remove_others(keep=Path(output))
    write_text(Path(output), _contents(book, staging))
    return staging.folder


def _write_prose(book: Book, staging: Staging) -> None:
    for path in sorted(book.prose.rglob("*")):
        name = path.relative_to(book.prose)
        if not path.is_file() or name.parts[0] in NOT_PAGES or "__pycache__" in name.parts:
            continue
        if path.suffix == ".md" and not name.parts[0].startswith("_"):
            page = name.with_suffix("").as_posix()
            staging.page(page, with_pieces(path.read_text(encoding="utf-8"), book, page, path))
        else:
            staging.copy(path, str(name))
    citation = registry.PACKAGE.parent / CITATION
    if citation.exists():
        staging.copy(citation, CITATION)
        staging.copy(citation, staging.beside(CITATION))
    staging.text("_static/book.css", style_sheet(book.prose))


def _write_exhibit(book: Book, staging: Staging, document: dict[str, Any]) -> None:
    name = links.exhibit_page(document["id"])
    shown = document | {"notes": book.notes_of(document)}
    chapters = book.chapters_of(name, document["id"])
    staging.page(name, str(exhibit_page(shown, book.whose, book.link_from(name), book.notice, chapters)))
    staging.text(staging.beside(f"{name}.csv"), exhibit_csv(document))
    runs = links.runs_page(document["id"])
    label = document["title"].partition(":")[0]
    back = (label, links.href(runs, name))
    listed = runs_page(f"{label}: the runs", runs, back, cells_of(document), book.metrics, book.notice, book.titles)
    staging.page(runs, str(listed))


def _write_method(book: Book, staging: Staging, name: str) -> None:
    path, page = book.prose / "methods" / f"{name}.md", links.method_page(name)
    written = with_pieces(path.read_text(encoding="utf-8"), book, page, path) if path.exists() else ""
    staging.page(page, method_page(book, name, written))
    source = registry.PACKAGE / "methods" / f"{name}.py"
    staging.text(f"{CODE}/{name}.py", source.read_text(encoding="utf-8"))


def _write_chapter(book: Book, staging: Staging, name: str) -> None:
    page = links.chapter_page(name)
    staging.copy(book.results / "chapters" / f"{name}.ipynb", staging.beside(f"{page}.ipynb"))
    staging.page(page, json.dumps(chapter_notebook(book, name), ensure_ascii=False, indent=1), ".ipynb")


def _write_cell(book: Book, staging: Staging, cell: Cell) -> None:
    folder, name, metrics = book.results / cell.path, links.cell_page(cell), book.metrics[cell]
    if metrics is None or not (folder / "cell.ipynb").exists():
        return
    files = [file for file in BESIDE_A_CELL if (folder / file).exists()]
    for file in files:
        staging.copy(folder / file, staging.beside(f"{name}/{file}"))
    notebook = json.loads((folder / "cell.ipynb").read_text(encoding="utf-8"))
    seeds = book.seeds[cell.path.parent]
    shown = cell_notebook(notebook, cell, metrics, book.uses[str(cell)], seeds, files, book.notice, book.titles)
    staging.page(name, json.dumps(shown, ensure_ascii=False, indent=1), ".ipynb")


def _contents(book: Book, staging: Staging) -> str:
    """The table of contents, with the pages that there are in place of globs; a page stands where it matches first."""
    contents = yaml.safe_load((book.prose / "_toc.yml").read_text(encoding="utf-8"))
    listed: set[str] = set()

    def pages(entry: dict) -> list[str]:
        if "file" in entry:
            return [entry["file"]]
        found = {path.relative_to(staging.folder).with_suffix("") for path in staging.folder.glob(f"{entry['glob']}.*")}
        return sorted({path.as_posix() for path in found} - listed)

    def known(entries: list[dict]) -> list[dict]:
        kept = []
        for entry in entries:
            found = pages(entry)
            listed.update(found)
            sections = known(entry.get("sections", []))
            kept += [{"file": page} | ({"sections": sections} if sections else {}) for page in found]
        return kept

    parts = [part | {"chapters": known(part["chapters"])} for part in contents["parts"]]
    return yaml.safe_dump(contents | {"parts": [part for part in parts if part["chapters"]]}, sort_keys=False)
