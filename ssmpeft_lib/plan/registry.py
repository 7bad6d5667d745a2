"""Folders as registries: a file in `methods/`, `models/` or `data/` is an entry, found by its name.

The names and facts that planning needs are literals in those files and are read without importing
them, so that planning a thousand cells never imports torch.
"""

from __future__ import annotations

import ast
import importlib
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).resolve().parent.parent

FACTS = {"models": "MODELS", "data": "DATASETS"}
"""For each folder whose files serve several names: the dict literal that lists them."""


@cache
def files(folder: str) -> tuple[str, ...]:
    """Names of the modules in `ssmpeft_lib/<folder>/`, without private ones."""
    return tuple(sorted(path.stem for path in (PACKAGE / folder).glob("*.py") if not path.stem.startswith("_")))


@cache
def literal(folder: str, module: str, constant: str) -> Any:
    """Value of the literal `constant` of a module, read from its source; None when it is not there.

    Raises:
        ValueError: the constant is there but is not a plain literal.
    """
    path = PACKAGE / folder / f"{module}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == constant for target in targets):
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                raise ValueError(
                    f"{path}: {constant} must be a plain literal, it is read without running the file"
                ) from None
    return None


@cache
def entries(folder: str) -> dict[str, str]:
    """Every name that a folder serves, with the module that serves it."""
    constant = FACTS.get(folder)
    if constant is None:
        return {name: name for name in files(folder)}
    served = {}
    for module in files(folder):
        for name in literal(folder, module, constant) or {}:
            if name in served:
                raise ValueError(f"ssmpeft_lib/{folder}/: {name!r} is served by {served[name]}.py and by {module}.py")
            served[name] = module
    return served


def facts(folder: str, name: str) -> dict:
    """The facts that a folder's file lists for `name`, for example sizes of a data set."""
    return literal(folder, module_of(folder, name), FACTS[folder])[name]


def module_of(folder: str, name: str) -> str:
    """Name of the module that serves `name`.

    Raises:
        LookupError: nothing serves that name; says what there is and what may have been meant.
    """
    known = entries(folder)
    if name not in known:
        raise LookupError(
            unknown(f"{folder.rstrip('s') if folder != 'data' else 'data set'}", name, known, f"ssmpeft_lib/{folder}/")
        )
    return known[name]


def load(folder: str, name: str) -> ModuleType:
    """Import the module that serves `name`. For the compute layer only."""
    return importlib.import_module(f"ssmpeft_lib.{folder}.{module_of(folder, name)}")


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """Names that stand for several data sets, for example `glue`."""
    found = {}
    for module in files("data"):
        found.update({name: tuple(members) for name, members in (literal("data", module, "GROUPS") or {}).items()})
    return found


@cache
def options(method: str) -> frozenset[str]:
    """Option names of a method: the annotated fields of the dataclasses in its module and of those it derives from."""
    tree = ast.parse((PACKAGE / "methods" / f"{module_of('methods', method)}.py").read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name: node.module.rsplit(".", 1)[-1]
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {
                item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and not _is_classvar(item)
            }
            for base in node.bases:
                module = imported.get(getattr(base, "id", ""), "")
                if module in files("methods"):
                    found |= options(module)
    return frozenset(found - {"targets"})


@cache
def class_literal(folder: str, module: str, attribute: str) -> Any:
    """Value of a literal class attribute of a module's classes, read from its source or from that of the base class.

    Raises:
        LookupError: no class there has it.
    """
    tree = ast.parse((PACKAGE / folder / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.Assign) and any(
                    getattr(target, "id", "") == attribute for target in item.targets
                ):
                    return ast.literal_eval(item.value)
    imported = {
        alias.asname or alias.name: node.module.rsplit(".", 1)[-1]
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    bases = [base for node in tree.body if isinstance(node, ast.ClassDef) for base in node.bases]
    for base in bases:
        if (sibling := imported.get(getattr(base, "id", ""))) in files(folder):
            return class_literal(folder, sibling, attribute)
    raise LookupError(f"ssmpeft_lib/{folder}/{module}.py: no class has an attribute {attribute!r}")


def _is_classvar(item: ast.AnnAssign) -> bool:
    return ast.unparse(item.annotation).startswith("ClassVar")


def unknown(kind: str, name: str, known: Any, where: str) -> str:
    """Message for a name that is not there: what it was, where it was looked for, what there is, what may be meant."""
    names = sorted(map(str, known))
    close = get_close_matches(name, names, n=1)
    return f"no {kind} {name!r} in {where} (have: {', '.join(names)})" + (
        f"; did you mean {close[0]!r}?" if close else ""
    )
