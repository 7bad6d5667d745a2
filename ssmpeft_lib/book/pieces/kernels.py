"""What `python benchmarks/kernels.py` measured: ratios to other implementations, with their goals."""

from __future__ import annotations

import json

from ...drawing.numbers import fixed, grouped
from ...plan.registry import PACKAGE
from ..documents import Book
from ..environment import render
from ..page import raw

GROUPS = {
    "Training steps": ("step", "tiny"),
    "Decoding": ("greedy", "beam"),
    "Single operations": ("scan", "conv", "linear", "mamba2", "s4d"),
}
"""Headings, and how the names of the lines below each begin."""


def myst(book: Book, page: str) -> str:
    """Three tables, made from `recorded/kernels.json`; nothing where that is missing."""
    path = PACKAGE.parent / "recorded" / "kernels.json"
    if not path.exists():
        return ""
    measured = json.loads(path.read_text(encoding="utf-8"))
    groups = {
        title: [_line(row) for name, row in measured["lines"].items() if name.startswith(prefixes)]
        for title, prefixes in GROUPS.items()
    }
    loads = [row["load_before"] for row in measured["lines"].values() if "load_before" in row]
    return raw(
        render(
            "kernels.html",
            groups=groups,
            made_by=measured["made_by"],
            loads=(min(loads), max(loads)),
            days=sorted({row["time"][:10] for row in measured["lines"].values()}),
            commits=sorted({row["commit"] for row in measured["lines"].values()}),
        )
    )


def _line(row: dict) -> dict:
    if "skipped" in row:
        return row
    return row | {
        "median": _short(row["ratio"]["median"]),
        "quartiles": [_short(value) for value in row["ratio"]["quartiles"]],
        "sides": {name: f"{_short(value)} {row['unit']}" for name, value in row["medians"].items()},
    }


def _short(value: float) -> str:
    """About three digits, without an exponent."""
    return grouped(round(value)) if value >= 100 else fixed(value, 1 if value >= 10 else 2)
