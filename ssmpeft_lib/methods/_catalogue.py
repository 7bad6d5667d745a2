"""What methods and the slots of a Mamba block are, as their own code says: for the book, which imports neither."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, fields
from typing import Any

from ..adapters.method import Method, method_class
from ..adapters.slots import SlotSpec
from ..plan import registry


def catalogue(mixer: str = "s6") -> dict[str, Any]:
    """Methods, slots and groups of slots as JSON.

    Args:
        mixer: the mixer kind whose slots are listed.
    Returns:
        `methods`, each with `title`, `docstring`, `summary`, `published` (see `Published`; None for the paper's) and
        `options` (name, default, text), and in their place what went wrong where its file cannot be imported; `slots`,
        each with the parameter below its owner and the axes that are channels and states; `groups`, each with its
        slots.
    """
    kind = registry.load("mixers", mixer)
    return {
        "methods": {name: _method(name) for name in registry.files("methods")},
        "slots": _slots(kind.SLOTS),
        "groups": {name: list(slots) for name, slots in kind.GROUPS.items()},
    }


def _method(name: str) -> dict[str, Any]:
    try:
        kind = method_class(name)
    # the file may raise anything, and one that does must not keep the others from the book
    except Exception as error:
        problem = f"`ssmpeft_lib/methods/{name}.py` cannot be imported: {type(error).__name__}: {error}"
        return {"title": name, "docstring": problem, "summary": problem, "published": None, "options": []}
    docstring = inspect.getdoc(inspect.getmodule(kind)) or name
    own = kind.__mro__[: kind.__mro__.index(Method)]
    named = {field for base in own for field in vars(base).get("__annotations__", {})}
    texts = _field_docstrings(own)
    return {
        "title": re.split(r"[:,(.]", docstring, maxsplit=1)[0].strip(),
        "docstring": docstring,
        "summary": inspect.cleandoc(vars(kind)["__doc__"]),
        "published": kind.published and asdict(kind.published),
        "options": [_option(field, texts.get(field.name, "")) for field in fields(kind) if field.name in named],
    }


def _option(field: Field, text: str) -> dict[str, str]:
    default = "" if field.default is MISSING else repr(field.default)
    return {"name": field.name, "default": default, "text": text}


def _field_docstrings(kinds: Sequence[type]) -> dict[str, str]:
    """The strings behind the fields of classes, which Python keeps nowhere; the first class has the last word."""
    found = {}
    for kind in reversed(kinds):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        for field, behind in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(behind, ast.Expr):
                found[field.target.id] = " ".join(ast.literal_eval(behind.value).split())
    return found


def _slots(specs: Mapping[str, SlotSpec]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "parameter": spec.parameter if isinstance(spec.parameter, str) else spec.parameter[0],
            "channel_axis": spec.channel_axis,
            "state_axis": spec.state_axis,
        }
        for name, spec in specs.items()
    }
