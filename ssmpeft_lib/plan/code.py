"""Which files of this package a module, or the numbers of a cell, are made of: other code may make other numbers."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from . import registry
from .cell import Cell
from .method_string import MethodString

PACKAGE_NAME = "ssmpeft_lib"

ASIDE = ("plan", "compat")
"""Rooms whose code decides what is run and where, but not what comes of it."""

WITHOUT_NUMBERS = ("book", "checkup", "commands", "compare", "drawing")
"""Folders of the library whose code no cell runs."""

SUFFIXES = (".py", ".cpp", ".h")

OWN = ("methods", "models", "data")
"""Folders in which a cell has a file of its own, beside which those of other cells lie."""

REACHES = ("own", "cell", "library")
"""How far the code of a cell reaches: see `digests`."""


@cache
def library_digest() -> str:
    """SHA-256 over the sources that a cell's numbers come from: the library without its commands and pages."""
    return _digest(_sources().values())


def digests(cell: Cell) -> dict[str, str]:
    """SHA-256 over the code that a cell's numbers come from, for each of `REACHES`.

    `own` is the files of its method, model and data set, with what these import in the same folders; `library` is all
    code that makes numbers; `cell` is that less the files of other methods, models and data sets.
    """
    own, rest = _digests_for(*_own_modules(cell))
    return dict(zip(REACHES, (own, rest, library_digest()), strict=True))


def of_other_code(results: Mapping[Cell, dict[str, Any] | None], reach: str) -> list[Cell]:
    """The cells whose results were made by other code than the present one, or do not say by which.

    Args:
        results: metrics.json of each cell; None where there is none.
        reach: one of `REACHES`.
    """
    return [
        cell
        for cell, metrics in results.items()
        if metrics is not None and metrics["made_by"].get("code", {}).get(reach) != digests(cell)[reach]
    ]


@cache
def _digests_for(*own: tuple[str, str]) -> tuple[str, str]:
    imported = {path for module in own for path in files_of(*module, within=OWN)}
    others = {registry.PACKAGE / folder / f"{name}.py" for folder in OWN for name in registry.files(folder)} - imported
    sources = _sources().items()
    return (
        _digest(line for path, line in sources if path in imported),
        _digest(line for path, line in sources if path not in others),
    )


def _own_modules(cell: Cell) -> list[tuple[str, str]]:
    served = (MethodString.parse(cell.method).name, cell.model, cell.dataset)
    return [(folder, registry.module_of(folder, name)) for folder, name in zip(OWN, served, strict=True)]


@cache
def _sources() -> dict[Path, str]:
    """A line with the name and the SHA-256 of each file that numbers may come from."""
    paths = sorted(path for path in registry.PACKAGE.rglob("*") if path.suffix in SUFFIXES)
    names = ((path, path.relative_to(registry.PACKAGE)) for path in paths)
    return {
        path: f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path, name in names
        if name.parts[0] not in WITHOUT_NUMBERS
    }


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest(modules: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the names and the code of modules and of all that they import here, inside functions as well.

    Args:
        modules: folder and name of each.
    """
    found = hashlib.sha256()
    for path in sorted({path for module in modules for path in files_of(*module)}):
        found.update(f"{path.relative_to(registry.PACKAGE)}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def files_of(folder: str, module: str, within: tuple[str, ...] = ()) -> list[Path]:
    """The files of a module and of what it imports here, and of what they import; without those of `ASIDE`.

    Args:
        within: follow imports into these folders alone.
    """
    waiting, found = {(folder, module)}, set()
    while waiting:
        name = waiting.pop()
        found.add(name)
        imported = {one for one in _imports(name) if one[0] not in ASIDE and (not within or one[0] in within)}
        waiting |= imported - found
    return sorted(path for name in found if (path := _file(name)))


@cache
def _imports(name: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """Modules of this package that a module imports, by their names below it; the packages around them run too."""
    path = _file(name)
    if path is None:
        return frozenset()
    package = name if path.name == "__init__.py" else name[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {one for statement in _statements(tree) for one in _names(statement, package)}
    return frozenset(one[:length] for one in {*imported, name} for length in range(1, len(one) + 1))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node, which are far fewer than its expressions, that hold no imports."""
    for block in ("body", "orelse", "handlers", "finalbody", "cases"):
        for statement in getattr(node, block, ()):
            yield statement
            yield from _statements(statement)


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
