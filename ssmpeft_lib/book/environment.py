"""The templates of the book, and the prose of specs as HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from ..drawing.template import environment

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Render a template of `book/templates/`."""
    return environment(TEMPLATES).get_template(template).render(**values)


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
