"""What was found out about the paper, in one sentence for each kind of evidence; every number is computed here."""

from __future__ import annotations

from typing import Any

from ...compare.claims import is_literal
from ...drawing.numbers import fixed, signed
from .. import links
from ..claims_view import WORDS, overall
from ..documents import Book
from ..environment import render
from ..exhibit_page import cells_of
from ..page import raw
from .missed_shares import missed_shares

PAPER_SEEDS = 3
"""The paper averages three runs."""


def myst(book: Book, page: str) -> str:
    """A list of sentences."""
    heavy = [one for one in [*book.table_errata, *book.theory_errata] if one["weight"] == "conclusion"]
    to = {"shares": links.href(page, "doctor"), "small": links.href(page, "small-models")}
    values = {
        "shares": _shares(book),
        "findings": [_finding(book, page, finding) for finding in book.findings if finding["claims"]],
        "noise": "" if book.noise is None else f"{book.noise:.1f}",
        "small": [_answer(finding, one) for finding in book.findings for one in book.answers_of(finding["number"])],
        "figures": [_figure(page, claim) for claim in _figure_claims(book)],
        "errata": {
            "heavy": len(heavy),
            "all": len(book.table_errata) + len(book.theory_errata),
            "named": _named(book, page),
        },
        "to": to | {"errata": links.href(page, "errata", "conclusion")},
        "planned": _planned(book),
        "done": len(book.done) if book.scale == "paper" else 0,
        "miniature": book.scale == "quick" and bool(book.done),
    }
    return raw(render("answer.html", **values))


def _shares(book: Book) -> dict[str, int]:
    """How many of the printed shares come out with the settings that the paper states, with others, and not at all."""
    counted = [
        point
        for document in book.documents
        for row in document["rows"]
        for point in row["points"]
        if point["metric"].startswith("params.") and point["printed"] and not point["printed"]["bound"]
        if not point["printed"]["read_to"] and "mean" in point["ours"]
    ]
    wrong = sum(_digits(point, "ours", "mean") != _digits(point, "printed", "value") for point in counted)
    known = {document["id"] for document in book.documents}
    other = sum(f"table{int(str(share['table']).rstrip('ab')):02}" in known for share in missed_shares()) - wrong
    return {"all": len(counted), "stated": len(counted) - wrong - other, "other": other, "wrong": wrong}


def _digits(point: dict[str, Any], source: str, key: str) -> str:
    return fixed(point[source][key], point["digits"])


def _finding(book: Book, page: str, finding: dict[str, Any]) -> dict[str, Any]:
    found = finding["effect"]
    beyond = found.beyond(book.noise) if found and book.noise is not None else 0
    address = links.href(page, "findings", f"finding-{finding['number']}")
    shown = {
        "title": finding["title"],
        "href": address,
        "effect": signed(found.mean) if found else "",
        "beyond": beyond,
    }
    return shown | {"pairs": len(found.by_pair) if found else 0} | overall(finding["claims"], "printed")


def _answer(finding: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    words = {"number": finding["number"], "label": answer["label"], "word": WORDS[answer["verdict"]]}
    return words | _points(answer["mean"], answer["interval"])


def _figure_claims(book: Book) -> list[dict[str, Any]]:
    """What the paper says of its figures, where runs at full size test it."""
    return [
        claim
        for finding in book.findings
        for claim in finding["claims"]
        if claim["document"]["kind"] == "figure" and is_literal(claim) and _rerun(claim)
    ]


def _rerun(claim: dict[str, Any]) -> dict[str, Any] | None:
    lane = claim["lanes"].get("recorded") or claim["lanes"].get("ours")
    return lane if lane and lane["tested"] else None


def _figure(page: str, claim: dict[str, Any]) -> dict[str, Any]:
    lane = _rerun(claim)
    column = lane["columns"][0]
    document = claim["document"]
    words = {
        "name": document["title"].partition(":")[0],
        "href": links.href(page, links.exhibit_page(document["id"])),
        "says": claim["says"][:1].lower() + claim["says"][1:],
        "word": WORDS[lane["verdict"]],
    }
    return words | _points(column["margin"], column.get("interval"), digits=2)


def _points(mean: float, interval: tuple[float, float] | None, digits: int = 1) -> dict[str, str]:
    low, high = interval or (None, None)
    between = "" if low is None else f"{signed(low, digits)} to {signed(high, digits)}"
    return {"text": signed(mean, digits), "interval": between}


def _named(book: Book, page: str) -> list[dict[str, str]]:
    """The errata that bear on the findings."""
    return [known for finding in book.findings if (known := book.erratum(page, finding["erratum"]))]


def _planned(book: Book) -> int:
    """How many runs the tables of this book are at the paper's scale; the figures need no pretrained model."""
    tables = (document for document in book.documents if document["kind"] == "table")
    cells = {(cell.model, cell.method, cell.dataset) for table in tables for cell in cells_of(table)}
    return PAPER_SEEDS * len(cells)
