"""What the theory chapter shows besides text: sources, numbers, errata and figures, all as plain HTML or Markdown."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO

import matplotlib
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure

from ...plan.errata import KINDS
from ...plan.families import FAMILIES
from ...theory.errata import BELOW, Erratum, errata, written

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


def number(value: float | str) -> str:
    """Two digits; a rounding error, whose digits differ from machine to machine, is said to be one."""
    if written(value) == BELOW:
        return BELOW.replace("1e-12", "10<sup>\u221212</sup>")
    if value == int(value) and abs(value) < 1e4:
        return str(int(value))
    text = f"{value:.2g}"
    mantissa, _, power = text.partition("e")
    return f"{mantissa} × 10<sup>{int(power)}</sup>" if power else text


def numbers(values: Mapping[str, float]) -> HTML:
    """Named numbers, one a row."""
    rows = "".join(f"<tr><th scope=row>{html.escape(k)}</th><td>{number(v)}</td></tr>" for k, v in values.items())
    return HTML(f"<table class='plain'><tbody>{rows}</tbody></table>")


def table(head: Sequence[str], rows: Iterable[Sequence[str | float]]) -> HTML:
    """A plain table; the first column names its row."""
    cells = [[value if isinstance(value, str) else number(value) for value in row] for row in rows]
    header = "".join(f"<th scope=col>{name}</th>" for name in head)
    labels = [html.escape(name, quote=True) for name in head[1:]]
    rows = (zip(labels, row[1:], strict=True) for row in cells)
    values = ["".join(f'<td data-label="{label}">{value}</td>' for label, value in row) for row in rows]
    body = "".join(f"<tr><th scope=row>{row[0]}</th>{found}</tr>" for row, found in zip(cells, values, strict=True))
    return HTML(f"<table class='plain'><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>")


def errata_of(statement: str) -> HTML:
    """The errata of one statement: a line each, the rest on demand."""
    cards = "".join(card(entry) for entry in errata() if entry.statement == statement)
    return HTML(f"<h3 class='statement'>Errata: {html.escape(statement)}</h3>{cards}")


def card(entry: Erratum) -> str:
    """One erratum with its evidence, as on the book's page of errata."""
    shown = ", ".join(f"{html.escape(name)} {number(value)}" for name, value in entry.evidence.items())
    rows = {"where": entry.where, "printed": entry.printed, "problem": entry.problem, "should read": entry.repair}
    body = "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in rows.items())
    body += f"<dt>checked</dt><dd>{shown} (<code>{entry.check}</code>)</dd>" if entry.check else ""
    head = f"<span class='id'>{entry.id}</span> {html.escape(entry.title)} <small>{KINDS[entry.kind]}</small>"
    return f"<details class='erratum'><summary>{head}</summary><dl class='record'>{body}</dl></details>"


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
    drawing = drawing.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1)
    return HTML(f"<figure class='plot'>{drawing}</figure>")
