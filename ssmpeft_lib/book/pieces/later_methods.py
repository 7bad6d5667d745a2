"""The methods that the paper does not compare: their source, what other code offers, what was seen to work here."""

from __future__ import annotations

import json

from ...compare.join import family_of
from ...plan.registry import PACKAGE
from .. import links
from ..documents import Book
from ..environment import prose, render
from ..method_facts import REFERENCE, names
from ..page import raw


def myst(book: Book, page: str) -> str:
    """A table of the methods that say where they were published, with the doctor's findings on them."""
    reports = json.loads((PACKAGE.parent / "recorded" / "doctor.json").read_text(encoding="utf-8"))["reports"]
    lines = []
    for name in names():
        said = book.catalogue["methods"][name]
        if said["published"]:
            lines.append(
                {
                    "title": book.titles[name],
                    "href": links.href(page, links.method_page(name)),
                    "family": family_of(name),
                    "text": prose(said["summary"]),
                    "offers": prose(said["published"]["offers"]),
                    "seen": _seen([report for report in reports if report["method"] == name]),
                    "share": book.shares.get(REFERENCE, {}).get(name, {}).get("trainable_pct"),
                }
                | said["published"]
            )
    return raw(render("later_methods.html", lines=lines, model=REFERENCE))


def _seen(reports):
    """What the doctor saw of a method: on which models all is right, and whether it can be merged; None for nothing."""
    examined = [report for report in reports if "adapted" not in report["ours"]["checks"]]
    if not examined:
        return None
    wrong = [report["model"] for report in examined if not report["ours"]["healthy"]]
    return {
        "models": [report["model"] for report in examined],
        "wrong": wrong,
        "merges": all(report["ours"]["checks"]["merged"]["ok"] for report in examined),
    }
