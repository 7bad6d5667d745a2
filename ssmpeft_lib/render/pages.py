"""The book's source: prose as it is, and a page for everything that specs, results and code say."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from ..plan.cell import Cell
from ..plan.results import read_metrics, write_text
from . import links
from .cell_page import Use, cell_notebook, uses_of
from .exhibit_page import cells_of, exhibit_csv, exhibit_page
from .runs_page import Results, runs_page
from .staging import Staging

BESIDE_A_CELL = ("cell.ipynb", "metrics.json", "predictions.jsonl")


class Book:
    """Everything that is known when the pages of one scale are made.

    Args:
        scale: whose results to show.
        results: the results directory.
        prose: the folder of hand-written pages, `book/`.
    """

    def __init__(self, scale: str, results: Path, prose: Path):
        self.scale, self.results, self.prose = scale, Path(results), Path(prose)
        found = sorted((self.results / scale / "exhibits").glob("*.json"))
        self.documents = [json.loads(path.read_text(encoding="utf-8")) for path in found]
        self.uses: dict[str, list[Use]] = uses_of(self.documents)
        self.cells = list(dict.fromkeys(cell for document in self.documents for cell in cells_of(document)))
        self.metrics: Results = {cell: self._metrics_of(cell) for cell in self.cells}
        self.seeds: dict[PurePosixPath, list[int]] = {}
        for cell in self.cells:
            if self.metrics[cell]:
                self.seeds.setdefault(cell.path.parent, []).append(cell.seed)

    def link_from(self, page: str):
        """How a page turns a name such as `Table 7` into an address."""
        pages = {document["title"].partition(":")[0]: links.exhibit_page(document["id"]) for document in self.documents}
        return lambda name: links.href(page, pages[name]) if name in pages and pages[name] != page else None

    def _metrics_of(self, cell: Cell) -> dict[str, Any] | None:
        path = self.results / cell.path / "metrics.json"
        return read_metrics(path) if path.exists() else None


def make_pages(scale: str, results: Path, prose: Path, output: Path) -> Path:
    """Put the book's source together; `_toc.yml` in it is written last.

    Args:
        scale: whose results to show.
        results: the results directory.
        prose: the folder of hand-written pages.
        output: path of the `_toc.yml` to write.
    Returns:
        the folder of the book's source.
    """
    book, staging = Book(scale, results, prose), Staging(Path(output).parent)
    _copy_prose(book, staging)
    for document in book.documents:
        _write_exhibit(book, staging, document)
    for cell in book.cells:
        _write_cell(book, staging, cell)
    _write_runs(book, staging)
    staging.remove_others()
    write_text(Path(output), _contents(book, staging))
    return staging.folder


def _contents(book: Book, staging: Staging) -> str:
    """The table of contents, without globs that match no page: Jupyter Book would warn."""
    contents = yaml.safe_load((book.prose / "_toc.yml").read_text(encoding="utf-8"))

    def known(entries: list[dict]) -> list[dict]:
        kept = [entry for entry in entries if "glob" not in entry or any(staging.folder.glob(f"{entry['glob']}.md"))]
        return [entry | ({"sections": known(entry["sections"])} if "sections" in entry else {}) for entry in kept]

    parts = [part | {"chapters": known(part["chapters"])} for part in contents["parts"]]
    return yaml.safe_dump(contents | {"parts": [part for part in parts if part["chapters"]]}, sort_keys=False)


def _copy_prose(book: Book, staging: Staging) -> None:
    for path in sorted(book.prose.rglob("*")):
        name = path.relative_to(book.prose)
        if path.is_file() and name.parts[0] != "style" and name.name != "_toc.yml" and "__pycache__" not in name.parts:
            staging.copy(path, str(name))
    # Jupyter Book links every style sheet in the order of the file system, so there is only one
    sheets = [path.read_text(encoding="utf-8") for path in sorted((book.prose / "style").glob("*.css"))]
    staging.text("_static/book.css", "\n".join(sheets))


def _write_exhibit(book: Book, staging: Staging, document: dict[str, Any]) -> None:
    name = links.exhibit_page(document["id"])
    staging.page(name, str(exhibit_page(document, book.link_from(name))))
    staging.text(staging.beside(f"{name}.csv"), exhibit_csv(document))
    runs = links.runs_page(document["id"])
    label = document["title"].partition(":")[0]
    back = (label, links.href(runs, name))
    staging.page(runs, str(runs_page(f"{label}: the runs", runs, back, cells_of(document), book.metrics)))


def _write_cell(book: Book, staging: Staging, cell: Cell) -> None:
    folder, name, metrics = book.results / cell.path, links.cell_page(cell), book.metrics[cell]
    if metrics is None or not (folder / "cell.ipynb").exists():
        return
    files = [file for file in BESIDE_A_CELL if (folder / file).exists()]
    for file in files:
        staging.copy(folder / file, staging.beside(f"{name}/{file}"))
    notebook = json.loads((folder / "cell.ipynb").read_text(encoding="utf-8"))
    shown = cell_notebook(notebook, cell, metrics, book.uses[str(cell)], book.seeds[cell.path.parent], files)
    staging.page(name, json.dumps(shown, ensure_ascii=False, indent=1), ".ipynb")


def _write_runs(book: Book, staging: Staging) -> None:
    name = "runs/index"
    staging.page(name, str(runs_page("All runs", name, None, book.cells, book.metrics)))
