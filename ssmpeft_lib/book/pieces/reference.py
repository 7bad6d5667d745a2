"""The public names of the library, from their docstrings, as Sphinx's Python domain shows them."""

from __future__ import annotations

from typing import Any

from ..documents import Book

SECTIONS = {"napoleon_use_ivar": True, "napoleon_use_rtype": False}
"""How Napoleon writes the sections of a docstring: as lists of fields, which MyST reads too."""


def myst(book: Book, page: str) -> str:
    """A section for each module; nothing where the catalogue does not have them."""
    return "\n\n".join(map(_module, book.catalogue.get("reference", [])))


def _module(module: dict[str, Any]) -> str:
    members = [_member(one, module["name"] + ".") for one in module["members"]]
    return "\n\n".join([f"## `{module['name']}`", module["text"], *members])


def _member(member: dict[str, Any], prefix: str, inside: bool = False) -> str:
    methods = [_member(one, "", inside=True) for one in member.get("methods", [])]
    kind = "method" if inside else member["kind"]
    fence = "```" if inside else "`````"
    head = f"{fence}{{py:{kind}}} {prefix}{member['name']}{member['signature']}"
    return "\n\n".join([head, _fields(member["docstring"], kind), *methods, fence])


def _fields(docstring: str, kind: str) -> str:
    """A docstring with its sections (Args, Returns, Raises, Attributes) as lists of fields."""
    # not where pages are made without it
    from sphinx.ext.napoleon import Config, GoogleDocstring

    return str(GoogleDocstring(docstring, Config(**SECTIONS), what=kind)).strip()
