"""Which files of this package a module is made of, so that a rule runs again when one of them is edited."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from . import registry

PACKAGE_NAME = "ssmpeft_lib"

ASIDE = ("plan", "compat")
"""Rooms whose code decides what is run and where, but not what comes of it."""


def digest(folder: str, module: str) -> str:
    """SHA-256 over the names and the code of a module and of all that it imports here, inside functions as well."""
    found = hashlib.sha256()
    for path in files_of(folder, module):
        found.update(f"{path.relative_to(registry.PACKAGE)}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def files_of(folder: str, module: str) -> list[Path]:
    """The files of a module and of what it imports here, and of what they import; without those of `ASIDE`."""
    waiting, found = {(folder, module)}, set()
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= {one for one in _imports(name) if one not in found and one[0] not in ASIDE}
    return sorted(path for name in found if (path := _file(name)))


@cache
def _imports(name: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """Modules of this package that a module imports, by their names below it; the packages around them run too."""
    path = _file(name)
    if path is None:
        return frozenset()
    package = name if path.name == "__init__.py" else name[:-1]
    imported = {one for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for one in _names(node, package)}
    return frozenset(one[:length] for one in {*imported, name} for length in range(1, len(one) + 1))


def _names(node: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(node, ast.Import):
        dotted = [tuple(alias.name.split(".")) for alias in node.names]
        yield from (name[1:] for name in dotted if name[0] == PACKAGE_NAME)
    elif isinstance(node, ast.ImportFrom):
        steps = tuple(node.module.split(".")) if node.module else ()
        if node.level:
            steps = (*package[: len(package) - node.level + 1], *steps)
        elif steps and steps[0] == PACKAGE_NAME:
            steps = steps[1:]
        else:
            return
        # a name that is imported may be a module, or something in one
        yield from ((*steps, alias.name) for alias in node.names)


def _file(name: tuple[str, ...]) -> Path | None:
    path = registry.PACKAGE.joinpath(*name)
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)
