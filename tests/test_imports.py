"""Who may import whom, read from the source; and that planning stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from reference import REPOSITORY

PACKAGE = REPOSITORY / "ssmpeft_lib"
COMPUTE = {
    "adapters",
    "mixers",
    "models",
    "methods",
    "data",
    "metrics",
    "ops",
    "training",
    "generation",
    "miniature",
    "spider",
    "stand_ins",
    "checkup",
    "layers",
    "theory",
    "peft",
}


def imports_of(path: Path) -> set[str]:
    """Parts of the library that a file imports, as the first name below ssmpeft_lib."""
    package = path.relative_to(REPOSITORY).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            parts = (*base, *(node.module.split(".") if node.module else ()))
            names = [parts] if len(parts) > 1 else [(*parts, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        else:
            continue
        found |= {name[1] for name in names if len(name) > 1 and name[0] == "ssmpeft_lib"}
    return found


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (PACKAGE / folder).rglob("*.py"))


@pytest.mark.parametrize("path", python_files("plan"), ids=lambda p: p.name)
def test_plan_imports_nothing_of_ours(path):
    assert imports_of(path) <= {"plan"}


@pytest.mark.parametrize("path", python_files("drawing", "compare"), ids=lambda p: f"{p.parent.name}-{p.name}")
def test_comparing_and_drawing_import_only_plan(path):
    assert imports_of(path) <= {"plan", "drawing", "compare"}


@pytest.mark.parametrize("path", python_files("book"), ids=lambda p: f"{p.parent.name}-{p.name}")
def test_pages_import_only_plan_and_what_compares_and_draws(path):
    own = {"plan", "drawing", "compare", "book"}
    assert imports_of(path) <= (own | {"theory"} if path.parent.name == "theory" else own)


@pytest.mark.parametrize("folder", ["models", "methods", "data"])
def test_models_methods_and_data_do_not_know_each_other(folder):
    others = {"models", "methods", "data", "book"} - {folder}
    for path in python_files(folder):
        assert not imports_of(path) & others, path


def test_compute_does_not_import_pages_or_what_drives_it():
    for path in python_files(*sorted(COMPUTE)):
        assert not imports_of(path) & {"book", "compare", "runs", "commands", "execute"}, path


def test_the_snakefile_imports_plan_only():
    text = (REPOSITORY / "Snakefile").read_text(encoding="utf-8")
    ours = [line for line in text.splitlines() if "import" in line and "ssmpeft_lib" in line]
    assert ours and all("ssmpeft_lib.plan" in line for line in ours)


@pytest.mark.parametrize(
    "module", ["ssmpeft_lib", "ssmpeft_lib.plan.snakemake.workflow", "ssmpeft_lib.__main__", "ssmpeft_lib.compare.join"]
)
def test_planning_does_not_import_torch(module):
    heavy = "torch transformers peft numpy pandas matplotlib datasets evaluate".split()
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"
