"""What `python -m ssmpeft_lib doctor` finds: stock peft beside this library, for each model and method."""

from __future__ import annotations

import json
from itertools import groupby

from ...plan.registry import PACKAGE
from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """One table a model, made from `recorded/doctor.json`."""
    path = PACKAGE.parent / "recorded" / "doctor.json"
    survey = json.loads(path.read_text(encoding="utf-8"))
    groups = groupby(survey["reports"], key=lambda report: report["model"])
    models = [
        {"name": model, "lines": [_line(report, survey["titles"]) for report in reports]} for model, reports in groups
    ]
    return raw(render("doctor.html", models=models, made_by=survey["made_by"]))


def _line(report, titles):
    sides = {side: _side(report[side], titles) for side in ("ours", "stock")}
    return {"method": report["method"], **sides}


def _side(found, titles):
    """A verdict in a word, and what was looked at, worst first; None where peft has no counterpart."""
    if found is None:
        return None
    checks = [
        {"title": _title(name, titles), "ok": check["ok"], "found": check["found"]}
        for name, check in found["checks"].items()
        if check["ok"] is not None
    ]
    wrong = [check for check in checks if check["ok"] is False]
    if "adapted" in found["checks"]:
        word = "refused"
    elif wrong:
        word = f"{len(wrong)} of {len(checks)} wrong"
    else:
        word = f"all {len(checks)} right"
    return {"word": word, "verdict": "fails" if wrong else "holds", "wrong": wrong, "checks": checks}


def _title(name, titles):
    plain = name.removesuffix("_fused")
    return "" if name == "adapted" else titles[plain] + ("" if name == plain else ", fused kernels") + ": "
