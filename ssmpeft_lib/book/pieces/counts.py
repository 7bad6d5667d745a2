"""How much there is: printed numbers, own numbers, runs, errata."""

from __future__ import annotations

from .. import links
from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """One line of counts."""
    points = [
        point | {"exhibit": document["id"]}
        for document in book.documents
        for row in document["rows"]
        for point in row["points"]
    ]
    scores = [point for point in points if point["printed"] and not point["metric"].startswith("params.")]
    counted = [point for point in points if point["metric"].startswith("params.")]
    done = [metrics for metrics in book.metrics.values() if metrics and metrics["status"] == "ok"]
    values = {
        "scores": len(scores),
        "own": sum(point["ours"].get("mean") is not None for point in scores),
        "small": sum("mean" in point.get("small", {}) for point in scores),
        "shares": sum(point["ours"].get("mean") is not None for point in counted),
        "runs": len(done),
        "errata": len(book.table_errata) + len(book.theory_errata),
        "exhibits": _exhibits(scores),
    }
    to = {name: links.href(page, name) for name in ("errata", "exhibits", "runs", "small-models")}
    return raw(render("counts.html", whose=book.whose, links=to, **values))


def _exhibits(scores) -> str:
    """How many tables, and figures if there are any, print these numbers: "27 tables and 2 figures"."""
    names = {point["exhibit"] for point in scores}
    counts = {kind: sum(name.startswith(kind) for name in names) for kind in ("table", "figure")}
    return " and ".join(f"{count} {kind}{'s' * (count != 1)}" for kind, count in counts.items() if count)
