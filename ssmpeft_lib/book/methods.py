"""What the book says about a method, read from its source: nothing is imported, nothing is said twice."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache

from ..plan import registry


@dataclass(frozen=True)
class Option:
    """A field of a method's dataclass."""

    name: str
    kind: str
    default: str
    text: str


@cache
def title_of(name: str) -> str:
    """What a method is called: the first words of its module's docstring."""
    return re.split(r"[:,(.]", docstring(name), maxsplit=1)[0].strip()


@cache
def docstring(name: str) -> str:
    """The docstring of a method's module."""
    return ast.get_docstring(_tree(name)) or name


@cache
def summary(name: str) -> str:
    """What a method does, in one sentence: the docstring of its class."""
    return next((text for node in _classes(name) if (text := ast.get_docstring(node))), "")


@cache
def options(name: str) -> list[Option]:
    """The options of a method with their defaults and what is said about them, inherited ones last."""
    found: dict[str, Option] = {}
    for node in _classes(name):
        for field, follows in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and not ast.unparse(field.annotation).startswith("ClassVar"):
                text = _string(follows)
                default = ast.unparse(field.value) if field.value else ""
                found[field.target.id] = Option(field.target.id, ast.unparse(field.annotation), default, text)
    for base in _bases(name):
        found = {option.name: option for option in options(base)} | found
    return list(found.values())


@cache
def targets(name: str) -> tuple[str, ...]:
    """The slots or groups of slots that a method acts on when nothing is said."""
    option = next((option for option in options(name) if option.name == "targets"), None)
    return tuple(ast.literal_eval(option.default)) if option and option.default else ()


def source(name: str) -> str:
    """The code of a method."""
    return _path(name).read_text(encoding="utf-8")


def _path(name: str):
    return registry.PACKAGE / "methods" / f"{registry.module_of('methods', name)}.py"


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse(source(name))


def _classes(name: str) -> list[ast.ClassDef]:
    """The method's own classes: those with a family or a base that is a method."""
    return [node for node in _tree(name).body if isinstance(node, ast.ClassDef) and node.decorator_list]


def _bases(name: str) -> list[str]:
    """Modules of methods that the method's class derives from."""
    imported = {
        alias.asname or alias.name: node.module.rsplit(".", 1)[-1]
        for node in _tree(name).body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    bases = [imported.get(getattr(base, "id", ""), "") for node in _classes(name) for base in node.bases]
    return [base for base in bases if base in registry.files("methods")]


def _string(node: ast.stmt | None) -> str:
    value = node.value if isinstance(node, ast.Expr) else None
    return " ".join(value.value.split()) if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
