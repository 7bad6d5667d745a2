"""Who may import whom, as pyproject.toml says; and that planning stays light."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from importlinter.application.use_cases import lint_imports
from importlinter.configuration import configure
from reference import REPOSITORY


def test_every_room_imports_downwards_only(monkeypatch):
    # the linter puts the folder that it runs in first on the path, and keeps a cache there
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "path", [str(REPOSITORY), *sys.path])
    configure()
    assert lint_imports(config_filename=str(REPOSITORY / "pyproject.toml"), cache_dir=None)


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


def test_the_process_that_runs_sql_needs_no_other_package():
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); import ssmpeft_lib.spider.worker"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


def test_private_names_of_other_libraries_stand_in_compat_alone():
    """Where a version of them changes, there is one place to look. Names that the library itself gives are its own."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "ssmpeft_lib").rglob("*.py")}
    trees |= {path: ast.parse(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "book/_ext").glob("*.py")}
    nodes = [(path, node) for path, tree in trees.items() for node in ast.walk(tree)]
    own = {node.name for _, node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {n.attr for _, n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    own |= {n.target.id for _, n in nodes if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    found = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}: {name}"
        for path, node in nodes
        if "compat" not in path.parts
        for name in _private_names(node)
        if name not in own
    ]
    assert found == []


def _private_names(node: ast.AST) -> list[str]:
    """Names of others that begin with one underscore; those of the standard library and of base classes left out."""
    if isinstance(node, ast.ImportFrom) and not node.level and node.module.partition(".")[0] != "ssmpeft_lib":
        words = [*node.module.split("."), *(alias.name for alias in node.names)]
    elif isinstance(node, ast.Attribute):
        of = node.value.id if isinstance(node.value, ast.Name) else ""
        base = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
        words = [] if base or of in {"self", "cls"} | sys.stdlib_module_names else [node.attr]
    else:
        words = []
    return [word for word in words if word.startswith("_") and not word.startswith("__")]
