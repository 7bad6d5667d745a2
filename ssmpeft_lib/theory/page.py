"""What the theory chapter shows besides text: sources, numbers, errata and figures, all as plain HTML or Markdown."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO

import matplotlib
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure

from .errata import ROUNDING, Erratum, errata

INK = {"ink": "#1b1f25", "ink-2": "#4a515c", "ink-3": "#626a76", "rule": "#d9dde2", "paper": "#ffffff"}
"""Colours that matplotlib draws with; in the page each becomes the book's CSS variable of that name."""

FALLBACK = {"ink": "currentColor", "ink-2": "currentColor", "ink-3": "currentColor", "rule": "#8886", "paper": "none"}
"""Where a page has no such variables, in light and dark notebooks alike."""

KINDS = {"error": "false as printed", "gap": "gap", "wording": "wording", "code": "released code"}


def source(*functions: Callable) -> Markdown:
    """The library's own source of those functions."""
    return Markdown(
        "```python\n" + "\n\n".join(inspect.getsource(function).rstrip() for function in functions) + "\n```"
    )


def number(value: float) -> str:
    """Two digits; what is a rounding error is shown as a power of ten."""
    if value != 0 and abs(value) < ROUNDING:
        return f"10<sup>{int(f'{value:.0e}'.split('e')[1])}</sup>".replace("-", "\u2212")
    if value == int(value) and abs(value) < 1e4:
        return str(int(value))
    text = f"{value:.2g}"
    mantissa, _, power = text.partition("e")
    return f"{mantissa} × 10<sup>{int(power)}</sup>" if power else text


def numbers(values: Mapping[str, float]) -> HTML:
    """Named numbers, one a row."""
    rows = "".join(f"<tr><th scope=row>{html.escape(k)}</th><td>{number(v)}</td></tr>" for k, v in values.items())
    return HTML(f"<table class='numbers'><tbody>{rows}</tbody></table>")


def table(head: Sequence[str], rows: Sequence[Sequence[str | float]]) -> HTML:
    """A plain table; the first column names its row."""
    cells = [[value if isinstance(value, str) else number(value) for value in row] for row in rows]
    header = "".join(f"<th scope=col>{name}</th>" for name in head)
    body = "".join(f"<tr><th scope=row>{r[0]}</th>{''.join(f'<td>{v}</td>' for v in r[1:])}</tr>" for r in cells)
    return HTML(f"<table class='numbers'><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>")


def errata_of(statement: str) -> HTML:
    """The errata of one statement, as cards; matters of wording are folded away."""
    entries = [entry for entry in errata() if entry.statement == statement]
    matters = "".join(card(entry) for entry in entries if entry.kind != "wording")
    wording = [card(entry) for entry in entries if entry.kind == "wording"]
    if not wording:
        return HTML(matters)
    folded = f"<summary>Matters of wording ({len(wording)})</summary>{''.join(wording)}"
    return HTML(f"{matters}<details class='errata-wording'>{folded}</details>")


def card(entry: Erratum) -> str:
    """One erratum with its evidence."""
    text = {name: html.escape(getattr(entry, name)) for name in ("title", "printed", "problem", "repair", "where")}
    shown = ", ".join(f"{html.escape(name)}: <b>{number(value)}</b>" for name, value in entry.evidence.items())
    rows = [("Printed", text["printed"]), ("Problem", text["problem"]), ("Repair", text["repair"])]
    rows += [("Checked", f"{shown} <code>{entry.check}</code>")] if entry.check else []
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    head = f"<span class='id'>{entry.id}</span> {text['title']} <small>{KINDS[entry.kind]}, {text['where']}</small>"
    return f"<dl class='erratum-card' id='{entry.id}'><dt class='t'>{head}</dt>{body}</dl>"


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
