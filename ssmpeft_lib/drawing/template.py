"""The one way from values to HTML: templates, which escape what they print, and the tables that all rooms share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from . import numbers

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment(*folders: Path) -> Environment:
    """Jinja with the templates of some folders and those of this one; an undefined name is an error.

    Everything is escaped but `Markup`, for answers and errors are text that nobody checked.
    """
    found = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("fixed", "signed", "grouped", "duration", "memory"):
        found.filters[name] = getattr(numbers, name)
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table whose first column names its rows; without heads where `head` is empty."""
    return _macro("table", list(head), list(rows))


def facts(pairs: Mapping[str, str]) -> Markup:
    """A table of names and what they are, one pair a line."""
    return _macro("facts", list(pairs.items()))


def record(pairs: Mapping[str, str], same: bool | None = None) -> Markup:
    """A list of names and long texts, one under the other, with a verdict where `same` gives one."""
    return _macro("record", list(pairs.items()), same)


def _macro(name: str, *values: object) -> Markup:
    return Markup(getattr(environment().get_template("tables.html").module, name)(*values))
