"""What the theory chapter shows besides text: sources, numbers, errata and figures, all as plain HTML or Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from io import StringIO

import matplotlib
from IPython.display import HTML, Markdown
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from ...drawing import template
from ...plan.families import FAMILIES
from ...theory.errata import errata
from ..errata_view import errata_html, number, of_theory

INK = {
    **{"ink": "#1b1f25", "ink-2": "#4a515c", "ink-3": "#626a76", "rule": "#d9dde2", "page": "#ffffff"},
    **{name: FAMILIES[name].light for name in ("lora", "sdlora", "full")},
}
"""Colours that matplotlib draws with; in the page each becomes the book's CSS variable of that name."""

FALLBACK = {
    **{"ink": "currentColor", "ink-2": "currentColor", "ink-3": "currentColor", "rule": "#8886", "page": "none"},
    **{"lora": "#3d85d8", "sdlora": "#d9622b", "full": "currentColor"},
}
"""Where a page has no such variables, in light and dark notebooks alike."""


def source(*functions: Callable) -> Markdown:
    """The library's own source of those functions."""
    return Markdown(
        "```python\n" + "\n\n".join(inspect.getsource(function).rstrip() for function in functions) + "\n```"
    )


def numbers(values: Mapping[str, float]) -> HTML:
    """Named numbers, one a row."""
    return table((), [(name, value) for name, value in values.items()])


def table(head: Sequence[str], rows: Iterable[Sequence[str | float]]) -> HTML:
    """A plain table; the first column names its row. Text is HTML already, numbers are written with two digits."""
    cells = [[Markup(value) if isinstance(value, str) else number(value) for value in row] for row in rows]
    return HTML(template.table([Markup(name) for name in head], cells))


def errata_of(statement: str) -> HTML:
    """The errata of one statement: what is printed and what is right, the rest on demand."""
    found = [of_theory(asdict(entry)) for entry in errata() if entry.statement == statement]
    return HTML(f"<h3 class='statement'>Errata: {escape(statement)}</h3>{errata_html(found)}")


def figure(fig: Figure, name: str, label: str) -> HTML:
    """A matplotlib figure as inline SVG in the colours and the type of the page.

    Args:
        name: unique in the page; prefixes the ids of the drawing.
        label: what a reader who does not see it should know.
    """
    text = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        fig.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = text.getvalue()
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing[drawing.index("<svg") :], flags=re.S)
    drawing = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r'(id="|#)(?=[A-Za-z])(?![0-9a-f]{6}[;"\s])', rf"\g<1>{name}-", drawing)
    drawing = re.sub(r" font-family: [^;\"]*;", "", drawing)
    for role, colour in INK.items():
        drawing = drawing.replace(colour, f"var(--{role}, {FALLBACK[role]})")
    drawing = drawing.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
    return HTML(f"<figure class='plot'>{drawing}</figure>")
