"""The questions that scale real is asked, each with what the recorded runs answer."""

from __future__ import annotations

import json
from typing import Any

from ...compare.questions import load_questions
from ...drawing.numbers import fixed, signed
from ...plan.registry import PACKAGE
from ..documents import Book
from ..environment import prose, render
from ..page import raw

ROOT = PACKAGE.parent

RECORDED = ROOT / "recorded" / "answers.json"

WORDS = {
    "holds": ("holds", "yes"),
    "fails": ("fails", "no"),
    "unclear": ("unclear", "cannot tell"),
    "differs": ("part", "they differ"),
    "same": ("holds", "no difference"),
}
"""For each verdict the look of its chip and what it says."""


def myst(book: Book, page: str) -> str:
    """Return one table of all answers, and one for each question; where nothing was run, the questions say so."""
    spec = load_questions(ROOT / "workflow" / "questions.yaml")
    recorded = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {"questions": []}
    answers = {question["number"]: question["answers"] for question in recorded["questions"]}
    shown = [_question(question, answers.get(question["number"], []), book, page) for question in spec["questions"]]
    return raw(render("answers.html", questions=shown, cells=recorded.get("cells"), seeds=recorded.get("seeds")))


def _question(question: dict[str, Any], answers: list[dict[str, Any]], book: Book, page: str) -> dict[str, Any]:
    lines = [_line(answer) for answer in answers] or [{"label": "", "datasets": [], "missing": {}}]
    words = {key: prose(question[key], book.link_from(page)) for key in ("asks", "effect")}
    return words | {"number": question["number"], "lines": lines}


def _line(answer: dict[str, Any]) -> dict[str, Any]:
    """One contrast as text."""
    words = {"label": answer["label"], "missing": answer["missing"], "datasets": _datasets(answer)}
    if "verdict" not in answer:
        return words
    digits, number = (2, fixed) if "tau" in answer else (1, signed)
    value = answer["tau"] if "tau" in answer else answer["mean"]
    kind, said = WORDS[answer["verdict"]]
    printed, needed = answer.get("printed"), answer.get("seeds_needed")
    return words | {
        "value": number(value, digits),
        "interval": " to ".join(number(edge, digits) for edge in answer["interval"]),
        "kind": kind,
        "verdict": said,
        "printed": "" if printed is None else signed(printed, 1),
        "needed": "" if "seeds_needed" not in answer else f"{needed:,}" if needed else "more than 1,000",
        "seeds": answer["seeds"],
    }


def _datasets(answer: dict[str, Any]) -> list[dict[str, str]]:
    """What was compared on each data set, and by how many points it differs."""
    return [
        {"name": name, "value": signed(answer["by_dataset"][name], 1), **sides}
        for name, sides in answer.get("chosen", {}).items()
    ]
