"""The paper's findings on one screen: each with its effect and interval, for every kind of evidence."""

from __future__ import annotations

from typing import Any

from .. import links
from ..documents import Book
from ..effects_view import EffectAxis
from ..environment import render
from ..page import raw

LANES = ("the paper’s printed numbers", "small models on real text")


def myst(book: Book, page: str) -> str:
    """A table of findings by evidence."""
    small = {finding["number"]: book.answers_of(finding["number"]) for finding in book.findings}
    bounds = [bound for answers in small.values() for answer in answers for bound in answer["interval"]]
    for finding in book.findings:
        if found := finding["effect"]:
            bounds += [found.low, found.high]
    axis = EffectAxis.of(bounds)
    shown = [_line(book, page, finding, axis, small[finding["number"]]) for finding in book.findings]
    return raw(render("findings_in_short.html", findings=shown, lanes=LANES))


def _line(book: Book, page: str, finding: dict[str, Any], axis: EffectAxis, answers: list[dict[str, Any]]):
    printed, found = None, finding["effect"]
    if found:
        printed = axis.drawn(found.mean, found.low, found.high) | {"more": _beyond(book, found)}
    small = [
        axis.drawn(answer["mean"], *answer["interval"])
        | {"more": ", ".join(filter(None, [answer["label"], f"{answer['seeds']} seeds"]))}
        for answer in answers
    ]
    address = links.href(page, "findings", f"finding-{finding['number']}")
    return finding | {"href": address, "printed": printed, "small": small}


def _beyond(book: Book, found) -> str:
    if book.noise is None:
        return f"{len(found.by_pair)} pairs"
    return f"{found.beyond(book.noise)} of {len(found.by_pair)} differ by more than {book.noise:.1f}"
