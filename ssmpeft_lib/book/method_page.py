"""The page of a method: what it is, where it acts, how much it trains, what came of it, and its code."""

from __future__ import annotations

from typing import Any

from ..compare.join import family_of
from ..plan.method_string import MethodString
from . import links
from .block import LEARNED, SLOTS, block_drawing
from .documents import Book
from .environment import prose, render
from .method_facts import REFERENCE, acting, slots_of
from .page import plain, raw

CODE = "_code"
"""Folder of the sources that method pages show."""


def method_page(book: Book, name: str, written: str) -> str:
    """MyST text of the page: what is written by hand, if anything, and what the code and the results say.

    Args:
        name: the method's module.
        written: text of `book/methods/<name>.md`, or empty.
    """
    page = links.method_page(name)
    said = book.catalogue["methods"][name]
    text = written.strip() or f"# {plain(said['title'])}\n\n{plain(said['docstring'])}"
    pieces = [
        text,
        _where(book, page, name),
        _options(said["options"]),
        _shares(book, name),
        _results(book, page, name),
        _code(name),
    ]
    return "\n\n".join(filter(None, pieces)) + "\n"


def _where(book: Book, page: str, name: str) -> str:
    slots = slots_of(book.shares, name)
    if not slots:
        return ""
    family = family_of(name)
    everything = slots[0]["slot"] == "everything"
    inside = [slot for slot in SLOTS if slot not in LEARNED]
    trained = dict.fromkeys(inside if everything else [one["slot"] for one in slots], family)
    href = {slot: links.href(page, "glossary", links.slot_anchor(slot)) for slot in SLOTS}
    label = f"A Mamba block; {book.titles[name]} trains {', '.join(one['slot'] for one in slots)}"
    drawing = block_drawing(acting(book.shares, book.catalogue["slots"]), href, label, trained)
    shown = render("method_where.html", drawing=drawing, slots=slots, family=family, model=REFERENCE)
    return f"## Where it acts\n\n{raw(shown)}"


def _options(options: list[dict[str, str]]) -> str:
    described = [(option, prose(option["text"])) for option in options]
    return f"## Options\n\n{raw(render('method_options.html', options=described))}" if options else ""


def _shares(book: Book, name: str) -> str:
    counted = [
        {"model": model, "method": method, **numbers}
        for model, found in book.shares.items()
        for method, numbers in found.items()
        if MethodString.parse(method).name == name
    ]
    return (
        f"## Trainable share\n\n{raw(render('method_shares.html', counted=counted, family=family_of(name)))}"
        if counted
        else ""
    )


def _results(book: Book, page: str, name: str) -> str:
    lines = [line for document in book.documents for line in _lines(page, document, name)]
    return f"## Results\n\n{raw(book.notice.html() + render('method_results.html', lines=lines))}" if lines else ""


def _lines(page: str, document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    from .exhibit_view import exhibit_view

    view = exhibit_view(document)
    found = []
    for row, joined in zip(view.rows, document["rows"], strict=True):
        points = joined["points"]
        if MethodString.parse(points[0]["method"]).name == name:
            shown = [one for one in row.shown if not one.column.share]
            address = links.href(page, links.exhibit_page(view.id), row.anchor)
            line = {"table": document["title"].partition(":")[0], "row": row, "href": address, "shown": shown}
            found.append(line | {"recorded": bool(document["kept"])})
    return found


def _code(name: str) -> str:
    return f"## Code\n\n```{{literalinclude}} ../{CODE}/{name}.py\n:language: python\n```"
