"""`--use-conda`: wiring against a stand-in for conda (nothing is solved here), and what is said where there is none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from reference import REPOSITORY
from small_book import snakemake

pytestmark = pytest.mark.slow

ENVIRONMENTS = {
    "environment.yml": "everything",
    "workflow/envs/compute.yml": "compute",
    "workflow/envs/book.yml": "book",
}
BIN = Path(sys.executable).parent


@pytest.fixture
def conda(tmp_path) -> dict[str, str]:
    """An environment in which `conda` is the stand-in."""
    # Snakemake does not quote the path of its `activate`
    base = tmp_path / "conda"
    (base / "bin").mkdir(parents=True)
    client = base / "bin" / "conda"
    client.write_text(
        f'#!/bin/sh\nexec {sys.executable} "{REPOSITORY}/tests/stand_in_conda.py" "$@"\n', encoding="utf-8"
    )
    client.chmod(0o755)
    # what conda's own script does, as far as rules can tell
    (base / "bin" / "activate").write_text('export CONDA_PREFIX="$1"\nexport PATH="$1/bin:$PATH"\n', encoding="utf-8")
    path = os.pathsep.join([str(base / "bin"), os.environ["PATH"]])
    return os.environ | {"PATH": path, "STAND_IN_CONDA": str(base), "SSMPEFT_WARM": "0"}


def test_rules_run_inside_the_environments_of_their_files(conda, tmp_path):
    folder = tmp_path / "work here"
    made = snakemake(folder, "--cores", "2", "--use-conda", "--conda-create-envs-only", environment=conda)
    assert made.returncode == 0, made.stdout[-5000:]
    files = (folder / ".snakemake" / "conda").glob("*/made-of.yml")
    names = {path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))["name"] for path in files}
    assert sorted(names.values()) == ["ssmpeft-book", "ssmpeft-compute"]
    done = snakemake(folder, "--cores", "2", "--use-conda", "results/quick/cell.ipynb", environment=conda)
    assert done.returncode == 0, done.stdout[-5000:]
    assert (folder / "results" / "quick" / "cell.ipynb").exists()
    active = re.search(r"Activating conda environment: \S*?([0-9a-f]+_)", done.stdout)
    assert names[active[1]] == "ssmpeft-compute"


def test_every_rule_that_runs_something_names_its_environment(conda, tmp_path):
    environments = {}
    for path in [REPOSITORY / "Snakefile", *sorted((REPOSITORY / "workflow" / "rules").glob("*.smk"))]:
        for rule in re.split(r"^rule ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            if "    shell:" in rule:
                environments[rule.partition(":")[0]] = re.findall(r"conda:\n\s+\"(\S+)\"", rule)
    assert len(environments) > 10
    assert {name for name, found in environments.items() if len(found) != 1} == set()


def test_without_conda_the_message_says_what_to_do(tmp_path):
    if shutil.which("conda"):
        pytest.skip("there is a conda here")
    done = snakemake(tmp_path, "-n", "--use-conda")
    assert done.returncode != 0
    assert "there is no conda here" in done.stdout and "make book" in done.stdout
    assert "Traceback" not in done.stdout


def test_lock_and_environments_hold_the_same_versions():
    files = (REPOSITORY / "requirements.lock", REPOSITORY / "requirements-torch.lock")
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.M))
    for name in ENVIRONMENTS:
        document = yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
        pins = dict(line.split("==") for line in document["dependencies"][-1]["pip"])
        assert pins.items() <= locked.items(), name
        assert document["dependencies"][0] == "python=3.11"
    everything = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    assert dict(line.split("==") for line in everything["dependencies"][-1]["pip"]) == locked


def test_every_version_but_torchs_has_hashes():
    text = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=\S+==)", text, flags=re.M)[1:]
    assert len(entries) > 100
    assert [entry.splitlines()[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []


def test_pages_need_no_torch_and_what_computes_has_a_compiler():
    pins = {
        kind: {
            line.split("==")[0]
            for line in yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))["dependencies"][-1]["pip"]
        }
        for name, kind in ENVIRONMENTS.items()
    }
    assert pins["compute"] | pins["book"] < pins["everything"]
    assert not {"torch", "transformers", "peft", "snakemake"} & pins["book"]
    for name, kind in ENVIRONMENTS.items():
        document = yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
        assert ("cxx-compiler" in document["dependencies"]) == (kind != "book")
    assert {"torch", "transformers", "papermill", "ipykernel", "jupytext", "safetensors"} <= pins["compute"]
    assert {"jupyter-book", "playwright", "jinja2"} <= pins["book"]
    assert {"snakemake", "snakemake-executor-plugin-slurm"} <= pins["everything"]


@pytest.mark.parametrize(
    "check",
    [
        [BIN / "snakefmt", "--check", "Snakefile", "workflow/rules"],
        [sys.executable, "-m", "snakemake", "--lint"],
    ],
    ids=["snakefmt", "lint"],
)
def test_rules_are_clean(check):
    done = subprocess.run(list(map(str, check)), cwd=REPOSITORY, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Lints for" not in done.stdout + done.stderr


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
