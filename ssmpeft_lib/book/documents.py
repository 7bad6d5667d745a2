"""Everything that is known when the pages of one scale are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from ..compare.effects import Contest, contests, effect, noise
from ..plan import paths
from ..plan.cell import Cell
from ..plan.code import of_other_code
from ..plan.registry import PACKAGE
from ..plan.results import read_metrics
from . import links
from .cell_page import Use, text_of, uses_of
from .exhibit_page import cells_of
from .notice import Notice

WHOSE = {"quick": "in miniature", "real": "small models", "paper": "ours"}
"""What stands before a verdict on our own numbers: they are not the paper's models but at scale paper."""


class Book:
    """Results, specs and prose of a book.

    Args:
        scale: whose results to show.
        results: the results directory.
        prose: the folder of hand-written pages, `book/`.
        joined: the joined exhibits to show; all that there are of the scale if not given.
        code_reach: what counts as the code of a result, one of `plan.code.REACHES`.
    """

    def __init__(
        self,
        scale: str,
        results: Path,
        prose: Path,
        joined: Sequence[Path] | None = None,
        code_reach: str = "cell",
    ):
        self.scale, self.results, self.prose = scale, Path(results), Path(prose)
        self.code_reach = code_reach
        found = sorted((self.results / scale / "exhibits").glob("*.json") if joined is None else joined)
        self.documents: list[dict[str, Any]] = [json.loads(path.read_text(encoding="utf-8")) for path in found]

    @cached_property
    def chapters(self) -> dict[str, dict[str, Any]]:
        """The executed notebooks that are pages, by the names of their files."""
        found = sorted((self.results / "chapters").glob("[!.]*.ipynb"))
        return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found}

    @property
    def whose(self) -> str:
        """What our own numbers are called."""
        return WHOSE[self.scale]

    @cached_property
    def notice(self) -> Notice:
        """What our own numbers stand for."""
        return Notice.of(self.scale, self.results, self.cells)

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells of all exhibits, each once, in reading order."""
        return list(dict.fromkeys(cell for document in self.documents for cell in cells_of(document)))

    @cached_property
    def metrics(self) -> dict[Cell, dict[str, Any] | None]:
        """metrics.json of each cell; None where there is none."""
        files = {cell: self.results / paths.metrics_file(cell) for cell in self.cells}
        return {cell: read_metrics(file) if file.exists() else None for cell, file in files.items()}

    @cached_property
    def seeds(self) -> dict[PurePosixPath, list[int]]:
        """The seeds that have a result, by the folder that their cells share."""
        found: dict[PurePosixPath, list[int]] = {}
        for cell, metrics in self.metrics.items():
            if metrics is not None:
                found.setdefault(cell.path.parent, []).append(cell.seed)
        return found

    @cached_property
    def uses(self) -> dict[str, list[Use]]:
        """The numbers that each cell feeds."""
        return uses_of(self.documents)

    @cached_property
    def shares(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Counted parameters by model and method."""
        path = self.results / "shares.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    @cached_property
    def catalogue(self) -> dict[str, Any]:
        """What the code says of its `methods`, of the `slots` of a Mamba block and of the `groups` of slots.

        Raises:
            FileNotFoundError: it was not written yet; says what writes it.
        """
        path = self.results / "catalogue.json"
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing; `snakemake --cores all results/catalogue.json` makes it")
        return json.loads(path.read_text(encoding="utf-8"))

    @property
    def titles(self) -> dict[str, str]:
        """What each method is called."""
        return {name: method["title"] for name, method in self.catalogue["methods"].items()}

    @cached_property
    def findings(self) -> list[dict[str, Any]]:
        """The paper's findings, each with its claims, the exhibits that they stand in, and its effect as printed."""
        findings = yaml.safe_load((self.prose / "findings.yml").read_text(encoding="utf-8"))
        claims = [claim | {"document": document} for document in self.documents for claim in document["claims"]]
        return [
            finding
            | {
                "claims": [claim for claim in claims if claim.get("finding") == finding["number"]],
                "effect": effect(self.contests, finding["ahead"], finding["behind"], finding["best"]),
            }
            for finding in findings
        ]

    @cached_property
    def contests(self) -> list[Contest]:
        """The printed scores of every table on every model and data set."""
        return contests(self.documents)

    @cached_property
    def noise(self) -> float | None:
        """The most by which one table prints one setting with two scores; None where none does."""
        return noise(self.printed_twice)

    @cached_property
    def _answers(self) -> list[dict[str, Any]]:
        """What `python -m ssmpeft_lib answers` wrote of the small models on real text."""
        path = PACKAGE.parent / "recorded" / "answers.json"
        return json.loads(path.read_text(encoding="utf-8"))["questions"] if path.exists() else []

    def answers_of(self, number: int) -> list[dict[str, Any]]:
        """The answers to a finding's question that have results: label, mean, interval, verdict and seeds of each."""
        return [
            answer
            for question in self._answers
            if question["number"] == number
            for answer in question["answers"]
            if "mean" in answer
        ]

    @cached_property
    def of_other_code(self) -> list[Cell]:
        """The cells whose results other code than the present one has made."""
        return of_other_code(self.metrics, self.code_reach)

    @property
    def done(self) -> list[Cell]:
        """The cells of this book that have a result."""
        return [cell for cell, metrics in self.metrics.items() if metrics and metrics["status"] == "ok"]

    @cached_property
    def _found_in_tables(self) -> dict[str, list[dict[str, Any]]]:
        """What `python -m ssmpeft_lib errata` found: `errata`, and what is `printed_twice`."""
        path = self.results / "errata.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"errata": [], "printed_twice": []}

    @property
    def table_errata(self) -> list[dict[str, Any]]:
        """The errata of the tables of this book, by their names."""
        known = {document["id"] for document in self.documents}
        found = self._found_in_tables["errata"]
        return [erratum for erratum in found if not erratum["exhibits"] or known & set(erratum["exhibits"])]

    def erratum(self, page: str, id: str) -> dict[str, str] | None:
        """Id, title and address, as seen from a page, of an erratum of the tables; None where this book lacks it."""
        title = next((one["title"] for one in self.table_errata if one["id"] == id), None)
        return title and {"id": id, "title": title, "href": links.href(page, "errata", id)}

    @property
    def printed_twice(self) -> list[dict[str, Any]]:
        """Quantities that are printed with two values, in tables of this book."""
        known = {document["id"] for document in self.documents}
        twice = self._found_in_tables["printed_twice"]
        return [entry for entry in twice if known & {place["exhibit"] for place in entry["where"]}]

    def notes_of(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        """The notes of an exhibit, and the errata that are about it."""
        errata = [erratum for erratum in self.table_errata if document["id"] in erratum["exhibits"]]
        shown = {"error": "erratum", "gap": "erratum", "remark": "note"}
        return [*document["notes"], *(erratum | {"kind": shown[erratum["kind"]]} for erratum in errata)]

    def place(self, page: str, exhibit: str, anchor: str = "") -> dict[str, str] | None:
        """Name and address of an exhibit as seen from a page; None where this book does not have it."""
        title = next((document["title"] for document in self.documents if document["id"] == exhibit), None)
        if title is None:
            return None
        return {"name": title.partition(":")[0], "href": links.href(page, links.exhibit_page(exhibit), anchor)}

    def chapters_of(self, page: str, exhibit: str) -> list[dict[str, str]]:
        """Titles and addresses, as seen from a page, of the chapters that are about an exhibit."""
        about = {name: notebook for name, notebook in self.chapters.items() if exhibit in exhibits_of(notebook)}
        return [
            {"name": title_of(notebook), "href": links.href(page, links.chapter_page(name))}
            for name, notebook in about.items()
        ]

    @cached_property
    def theory_errata(self) -> list[dict[str, Any]]:
        """The errata of the formal statements."""
        path = PACKAGE.parent / "workflow" / "errata" / "theory.yaml"
        return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else []

    def link_from(self, page: str) -> Callable[[str], str | None]:
        """How a page turns a name such as `Table 7` or `Finding 3` into an address."""
        targets = {
            document["title"].partition(":")[0]: (links.exhibit_page(document["id"]), "") for document in self.documents
        }
        targets |= {
            f"Finding {finding['number']}": ("findings", f"finding-{finding['number']}") for finding in self.findings
        }

        def link(name: str) -> str | None:
            target, anchor = targets.get(name, (page, ""))
            return None if target == page else links.href(page, target, anchor)

        return link


def exhibits_of(notebook: dict[str, Any]) -> list[str]:
    """The tables and figures that a chapter says it is about, by its metadata."""
    return notebook["metadata"].get("exhibits", [])


def title_of(notebook: dict[str, Any]) -> str:
    """A chapter's first heading."""
    return text_of(notebook["cells"][0]["source"]).partition("\n")[0].removeprefix("# ")
