"""Who may import whom, as pyproject.toml says; and that planning stays light."""

from __future__ import annotations

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
