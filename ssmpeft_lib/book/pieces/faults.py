"""What the fault drill tried, what was survived and what was lost, from recorded/faults.json."""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup

from ...drawing.template import table
from ...plan.registry import PACKAGE
from ..documents import Book
from ..page import raw

RECORDED = PACKAGE.parent / "recorded" / "faults.json"


def myst(book: Book, page: str) -> str:
    """Return a table of the faults and a line that says where they were tried; nothing where none is recorded."""
    if not RECORDED.exists():
        return ""
    drill = json.loads(RECORDED.read_text(encoding="utf-8"))
    made_by = drill["made_by"]
    where = Markup('<p class="meta">{}, Python {}; made by <code>{}</code></p>').format(
        made_by["device"], made_by["python"], drill["command"]
    )
    head = ("fault", "tried", "survived", "lost", "what helped beside the next run")
    lost = [Markup("<p>Lost, {}: {}</p>").format(row["fault"], text) for row in drill["faults"] for text in row["lost"]]
    return raw(where + table(head, map(_row, drill["faults"])) + Markup("").join(lost))


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    if row["not_tried_because"]:
        return (row["fault"], "0", "", "", f"not tried: {row['not_tried_because']}")
    helped = "; ".join(f"{name} ({number})" for name, number in row["commands"].items())
    return (row["fault"], *map(str, (row["tried"], row["survived"], len(row["lost"]))), helped or "nothing was needed")
