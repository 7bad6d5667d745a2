"""The templates of the book. What they print is escaped, for answers and errors are text that nobody checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ..drawing import numbers

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    """Jinja with the templates of this package; an undefined name is an error."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("fixed", "signed", "grouped", "duration", "memory"):
        found.filters[name] = getattr(numbers, name)
    return found


def render(template: str, **values: Any) -> str:
    """Render a template of `book/templates/`."""
    return environment().get_template(template).render(**values)


def prose(text: str, link: Callable[[str], str | None] = lambda name: None) -> Markup:
    """Plain text of a spec as HTML: escaped, `backticks` as code, and `Table 7` as a link where `link` knows a page.

    Args:
        text: what the spec says.
        link: from a name such as `Table 7` to an address, or None.
    """
    pieces = []
    for index, piece in enumerate(re.split(r"`([^`]+)`", text)):
        if index % 2:
            pieces.append(Markup("<code>{}</code>").format(piece))
        else:
            pieces.append(_linked(piece, link))
    return Markup("").join(pieces)


def _linked(text: str, link: Callable[[str], str | None]) -> Markup:
    pieces = []
    for index, piece in enumerate(re.split(r"((?:Table|Figure|Finding) \d+)", text)):
        address = link(piece) if index % 2 else None
        pieces.append(Markup('<a href="{}">{}</a>').format(address, piece) if address else escape(piece))
    return Markup("").join(pieces)
