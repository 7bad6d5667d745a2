"""Folders as registries: a file in `methods/`, `models/` or `data/` is an entry, found by its name.

The names and facts that planning needs are literals in those files and are read without importing
them, so that planning a thousand cells never imports torch.
"""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from .facts import DatasetFacts, ModelFacts, read_facts
from .families import FAMILIES, Family
from .unknown import unknown

PACKAGE = Path(__file__).resolve().parent.parent

FACTS = {"models": ("MODELS", ModelFacts), "data": ("DATASETS", DatasetFacts)}
"""For each folder whose files serve several names: the dict literal that lists them, and what it says of each."""

NEEDED = {"models": ("MODELS", "build"), "data": ("DATASETS", "task")}
"""Names that every file of a folder has; the class of a method has `family` and `learning_rate`."""

SOURCE_HOOKS = {False: ("read_files", "write_miniature"), True: ("generate",)}
"""What a file of data sets has besides, by whether they are generated."""

EXAMPLES = {"models": "mamba", "data": "dart", "methods": "lora"}
"""A file of each folder to start from."""


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
    return _literal(_source(folder, module).body, constant, f"ssmpeft_lib/{folder}/{module}.py", None)


@cache
def entries(folder: str) -> dict[str, str]:
    """Every name that a folder serves, with the module that serves it.

    Raises:
        ValueError: a file there lacks what every file of the folder has, or two serve one name.
    """
    for module in files(folder):
        _check_complete(folder, module)
    if folder not in FACTS:
        return {name: name for name in files(folder)}
    served: dict[str, str] = {}
    for module in files(folder):
        for name in facts_in(folder, module):
            if name in served:
                raise ValueError(f"ssmpeft_lib/{folder}/: {name!r} is served by {served[name]}.py and by {module}.py")
            served[name] = module
    return served


@cache
def facts_in(folder: str, module: str) -> dict[str, Any]:
    """The facts of every name that a module serves.

    Raises:
        ValueError: a key of the literal is missing, unknown or of another type.
    """
    constant, kind = FACTS[folder]
    where = f"ssmpeft_lib/{folder}/{module}.py: {constant}"
    listed = literal(folder, module, constant) or {}
    if not isinstance(listed, dict):
        raise ValueError(f"{where} must be a dict of names, got {listed!r}")
    return {name: read_facts(kind, given, f"{where}[{name!r}]") for name, given in listed.items()}


def family_labels() -> dict[str, str]:
    """What each family is called."""
    return {name: family.label for name, family in families().items()}


def _check_complete(folder: str, module: str) -> None:
    where, see = f"ssmpeft_lib/{folder}/{module}.py", f"see ssmpeft_lib/{folder}/{EXAMPLES.get(folder)}.py"
    there = {name for node in _source(folder, module).body for name in _bound(node)}
    for name in NEEDED.get(folder, ()):
        if name not in there:
            raise ValueError(f"{where}: {name} is missing (needed: {', '.join(NEEDED[folder])}); {see}")
    if folder == "data":
        kinds = {facts.generated for facts in facts_in(folder, module).values()}
        for name in [hook for generated in sorted(kinds) for hook in SOURCE_HOOKS[generated]]:
            if name not in there:
                raise ValueError(f"{where}: {name} is missing; ssmpeft_lib/data/__init__.py says what it is, {see}")
    if folder == "methods":
        family, rate = (class_literal(folder, module, name, None) for name in ("family", "learning_rate"))
        if family not in families():
            allowed = ", ".join(families())
            raise ValueError(f"{where}: the class needs a `family`, one of {allowed}; got {family!r}; {see}")
        if not isinstance(rate, int | float):
            raise ValueError(f"{where}: the class needs a `learning_rate`, such as 1e-2; got {rate!r}; {see}")


@cache
def families() -> dict[str, Family]:
    """Every family of methods: the paper's, and those that files of methods bring along as `FAMILIES`.

    Raises:
        ValueError: a file's family is not complete, or its name is taken.
    """
    found = dict(FAMILIES)
    for module in files("methods"):
        for name, given in (literal("methods", module, "FAMILIES") or {}).items():
            where = f"ssmpeft_lib/methods/{module}.py: FAMILIES[{name!r}]"
            if name in found:
                raise ValueError(f"{where}: there is a family of that name (have: {', '.join(found)})")
            found[name] = read_facts(Family, given, where)
    return found


def dataset_facts(name: str) -> DatasetFacts:
    """What the file of a data set says of it; raises as `module_of` and `facts_in` do."""
    return facts_in("data", module_of("data", name))[name]


def model_facts(name: str) -> ModelFacts:
    """What the file of a model says of it; raises as `module_of` and `facts_in` do."""
    return facts_in("models", module_of("models", name))[name]


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
def option_types(method: str) -> dict[str, str]:
    """Options of a method with their types: the annotated fields of the classes in its module and of their bases'."""
    return {
        item.target.id: ast.unparse(item.annotation)
        for kind in reversed(_classes("methods", module_of("methods", method)))
        for item in kind.body
        if isinstance(item, ast.AnnAssign) and item.target.id != "targets" and not _is_classvar(item)
    }


def options(method: str) -> frozenset[str]:
    """Option names of a method."""
    return frozenset(option_types(method))


@cache
def class_literal(folder: str, module: str, attribute: str, default: Any = ...) -> Any:
    """Value of a literal class attribute of a module's classes, read from its source or from that of the base class.

    Raises:
        LookupError: no class there has it, and no default was given.
        ValueError: it is there but is not a plain literal.
    """
    where = f"ssmpeft_lib/{folder}/{module}.py"
    body = [item for kind in _classes(folder, module) for item in kind.body]
    found = _literal(body, attribute, where, default)
    if found is ...:
        raise LookupError(f"{where}: no class has an attribute {attribute!r}")
    return found


@cache
def _source(folder: str, module: str) -> ast.Module:
    return ast.parse((PACKAGE / folder / f"{module}.py").read_text(encoding="utf-8"))


@cache
def _classes(folder: str, module: str) -> tuple[ast.ClassDef, ...]:
    """The classes of a module, and behind them those of the modules in its folder that they derive from."""
    body = _source(folder, module).body
    imported = {
        alias.asname or alias.name: node.module.rsplit(".", 1)[-1]
        for node in body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    own = [node for node in body if isinstance(node, ast.ClassDef)]
    siblings = [imported.get(getattr(base, "id", "")) for kind in own for base in kind.bases]
    return (*own, *(kind for sibling in siblings if sibling in files(folder) for kind in _classes(folder, sibling)))


def _literal(body: list[ast.stmt], name: str, where: str, default: Any) -> Any:
    """The value that statements assign to a name."""
    for node in body:
        if name in _bound(node) and getattr(node, "value", None) is not None:
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                raise ValueError(
                    f"{where}: {name} must be a plain literal, it is read without running the file"
                ) from None
    return default


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement gives a value."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_classvar(item: ast.AnnAssign) -> bool:
    return ast.unparse(item.annotation).startswith("ClassVar")
