"""Whether the models of scale real are good enough to compare methods on, as `benchmarks/real_signal.py` found."""

from __future__ import annotations

import json

from ...drawing.numbers import fixed
from ...plan.registry import PACKAGE
from ..documents import Book
from ..environment import render
from ..page import raw

RECORDED = PACKAGE.parent / "recorded" / "real_signal.json"


def myst(book: Book, page: str) -> str:
    """Return a table of what was measured and what is asked; nothing where nothing was measured."""
    if not RECORDED.exists():
        return ""
    found = json.loads(RECORDED.read_text(encoding="utf-8"))
    gates = [gate | {"value": None if gate["value"] is None else fixed(gate["value"])} for gate in found["gates"]]
    missed = sum(not gate["met"] for gate in gates)
    return raw(render("gates.html", gates=gates, missed=missed, model=found["model"], seeds=found["seeds"]))
