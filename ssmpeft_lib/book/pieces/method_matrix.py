"""Every method on every family in every way that an adapter is used, as a table of methods and ways."""

from __future__ import annotations

import json
from itertools import groupby

from ...plan.method_string import MethodString
from ...plan.registry import PACKAGE
from .. import links
from ..documents import Book
from ..environment import render
from ..method_facts import names
from ..page import raw


def myst(book: Book, page: str) -> str:
    """The table, made from `recorded/method_matrix.json`; a method that was not tried yet has no line."""
    found = json.loads((PACKAGE.parent / "recorded" / "method_matrix.json").read_text(encoding="utf-8"))
    families = list(dict.fromkeys(entry["family"] for entry in found["entries"]))
    order = {name: place for place, name in enumerate(names())}
    entries = sorted(
        found["entries"], key=lambda entry: order.get(MethodString.parse(entry["method"]).name, len(order))
    )
    lines = [
        _line(book, page, method, list(tried), found["fields"])
        for method, tried in groupby(entries, key=lambda entry: entry["method"])
    ]
    options = {"fields": found["fields"], "families": families, "made_by": found["made_by"]}
    return raw(render("method_matrix.html", lines=lines, **options))


def _line(book: Book, page: str, method: str, tried: list[dict], fields: dict[str, str]) -> dict:
    cells = {name: _cell([(entry["family"], entry["fields"][name]) for entry in tried]) for name in fields}
    name = MethodString.parse(method).name
    href = links.href(page, links.method_page(name)) if name in book.titles else ""
    return {"method": method, "href": href, "cells": cells}


def _cell(found: list[tuple[str, dict]]) -> dict:
    """A word, a verdict, and what else than right was found, by its words with the families."""
    by_words: dict[str, list[str]] = {}
    for family, field in found:
        if field["ok"] is not True:
            by_words.setdefault(field["found"], []).append(family)
    wrong = sum(field["ok"] is False for _, field in found)
    refused = sum(field["ok"] is None for _, field in found)
    if wrong:
        word, verdict = f"{wrong} wrong", "fails"
    elif refused:
        word, verdict = "refused" if refused == len(found) else f"{refused} refused", "open"
    else:
        word, verdict = f"all {len(found)}", "holds"
    said = [{"words": words, "families": [] if len(on) == len(found) else on} for words, on in by_words.items()]
    return {"word": word, "verdict": verdict, "said": said}
