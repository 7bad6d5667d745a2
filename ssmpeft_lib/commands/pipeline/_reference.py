"""What the library's public names say of themselves: for the book, which imports none of them."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

PLACES = {
    "ssmpeft_lib": "The library without peft and with it: what a user calls.",
    "ssmpeft_lib.ops": "",
    "ssmpeft_lib.adapters.method": "",
}
"""The modules whose public names are described, each with a sentence where its own docstring is not for users."""

OWN = ("ssmpeft_lib.adapters.method",)
"""Of these, what other modules define is left out."""


def describe_library() -> list[dict[str, Any]]:
    """The public names by module.

    Returns:
        for each module its `name`, `text` and `members`: `name`, `kind` (function or class), `signature`, `docstring`
        and, of a class, `methods`, which are described alike.
    """
    return [
        {
            "name": name,
            "text": sentence or inspect.getdoc(import_module(name)),
            "members": [_described(*one) for one in _public(name)],
        }
        for name, sentence in PLACES.items()
    ]


def _public(module: str) -> list[tuple[str, Any]]:
    found = import_module(module)
    names = getattr(found, "__all__", None) or [name for name in vars(found) if not name.startswith("_")]
    members = [(name, getattr(found, name)) for name in sorted(names)]
    return [
        (name, member)
        for name, member in members
        if inspect.isroutine(member) or inspect.isclass(member)
        if module not in OWN or member.__module__ == module
    ]


def _described(name: str, member: Any, bound: bool = False) -> dict[str, Any]:
    described = {
        "name": name,
        "kind": "class" if inspect.isclass(member) else "function",
        "signature": _signature(member, bound),
        "docstring": inspect.getdoc(member) or "",
    }
    if inspect.isclass(member):
        own = [(key, value) for key, value in vars(member).items() if inspect.isfunction(value)]
        described["methods"] = [
            _described(*one, bound=True) for one in own if not one[0].startswith("_") and one[1].__doc__
        ]
    return described


def _signature(member: Any, bound: bool) -> str:
    """Parameters without their types, which the docstrings say in words, and with their defaults."""
    try:
        signature = inspect.signature(member)
    except ValueError:
        return "(...)"
    empty = inspect.Parameter.empty
    given = [one.replace(annotation=empty) for one in signature.parameters.values()]
    return str(signature.replace(parameters=given[bound:], return_annotation=empty))
