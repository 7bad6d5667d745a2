"""The page of a method: what it is, how to use it, where it acts, how much it trains, what came of it, its code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..compare.join import family_of
from ..plan.method_string import MethodString
from . import links
from .block import LEARNED, SLOTS, block_drawing
from .documents import Book
from .environment import prose, render
from .exhibit_page import MARKS
from .exhibit_parts import Group
from .exhibit_view import exhibit_view
from .method_facts import REFERENCE, acting, slots_of
from .method_use import examples
from .page import plain, raw, search_words

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
    title = said["title"]
    names = (title, title.replace("-", " "), title.replace(" ", "-"), name, name.replace("_", " "))
    pieces = [
        text,
        search_words(names),
        _use(name, said["options"]),
        _where(book, page, name),
        _options(said["options"]),
        _shares(book, name),
        _results(book, page, name),
        _code(name),
    ]
    return "\n\n".join(filter(None, pieces)) + "\n"


def _use(name: str, options: list[dict[str, str]]) -> str:
    found = examples(name, options)
    blocks = [f"{heading}:\n\n```python\n{code}```" for heading, code in found.items()]
    return "\n\n".join(["## Use", *blocks]) if found else ""


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
    tables_first = sorted(book.documents, key=lambda document: document["kind"] != "table")
    found = [part for document in tables_first if (part := _rows_of(page, document, name))]
    if not found:
        return ""
    return f"## Results\n\n{raw(book.notice.html() + render('method_results.html', found=found, marks=MARKS))}"


def _rows_of(page: str, document: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The rows of an exhibit that are of a method, as seen from its page; None where there are none."""
    view = exhibit_view(document, page)
    own = {row["name"] for row in document["rows"] if MethodString.parse(row["points"][0]["method"]).name == name}
    groups = [Group(group.label, rows) for group in view.groups if (rows := [r for r in group.rows if r.name in own])]
    if not groups:
        return None
    address = links.href(page, links.exhibit_page(view.id), groups[0].rows[0].anchor)
    return {"view": replace(view, groups=groups), "href": address, "kept": bool(document["kept"])}


def _code(name: str) -> str:
    return f"## Code\n\n```{{literalinclude}} ../{CODE}/{name}.py\n:language: python\n```"
