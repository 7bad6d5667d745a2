"""The window of versions: stated once, tried at its ends, and an import outside of it says so."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from reference import REPOSITORY

import ssmpeft_lib
from ssmpeft_lib.compat import window

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ALLOWED = {r.name: r for r in map(Requirement, PROJECT["dependencies"]) if r.name in window.TRIED}
RANGES = window.tried()
RECORDED = json.loads((REPOSITORY / "recorded" / "versions.json").read_text(encoding="utf-8"))["corners"]


def tried(name: str) -> list[Version]:
    """Versions of a library in the recorded corners that ran without a failure."""
    return sorted(Version(row["versions"][name]) for row in RECORDED if row["versions"] and row["failed"] == 0)


def test_installed_package_states_the_window_of_pyproject():
    assert requires(window.PACKAGE), "run `make` or `pip install -e .` again"
    assert RANGES == ALLOWED | {"torch": Requirement(window.TORCH)} and set(RANGES) == set(window.TRIED)


def test_the_torch_that_is_tried_is_one_that_is_allowed():
    assert all(ALLOWED["torch"].specifier.contains(part.version) for part in Requirement(window.TORCH).specifier)


@pytest.mark.parametrize("name", window.TRIED)
def test_the_newest_of_the_window_was_tried(name):
    bounds = {part.operator: Version(part.version) for part in RANGES[name].specifier}
    assert set(bounds) == {">=", "<"}
    # the last release line below the upper bound
    assert tried(name)[-1].release[:2] == (bounds["<"].major, bounds["<"].minor - 1)


def test_every_corner_ran_or_says_why_not():
    assert {row["corner"] for row in RECORDED} >= {"locked", "newest"}
    for row in RECORDED:
        assert (row["passed"] is None) == bool(row["not_run_because"]) and not row["failed"]


def warnings_with(folder: Path, **versions: str) -> list[str]:
    """What is said on the error channel by a fresh process in which libraries pretend to be of other versions."""
    for name, number in versions.items():
        metadata = folder / f"{name}-{number}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n", encoding="utf-8")
    code = "import ssmpeft_lib.adapters.region, ssmpeft_lib.methods.lora; ssmpeft_lib.adapt"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if "ssmpeft_lib was not tried" in line]


def test_an_import_outside_of_the_window_warns_once_and_says_what_was_tried(tmp_path):
    (said,) = warnings_with(tmp_path, transformers="5.99.0", peft="0.99.0")
    assert "not tried with transformers 5.99.0, peft 0.99.0, only with transformers>=" in said
    for name in ("transformers", "peft"):
        lower, upper = sorted(map(str, RANGES[name].specifier), reverse=True)
        assert f"'{name}{lower},{upper}'" in said.partition(" pip install ")[2]


def test_an_import_inside_of_the_window_says_nothing(tmp_path):
    assert not warnings_with(tmp_path)


def test_continuous_integration_tries_both_ends_of_the_window_on_other_machines(monkeypatch):
    scripts = REPOSITORY / "workflow" / "scripts"
    monkeypatch.syspath_prepend(str(scripts))
    script = runpy.run_path(str(scripts / "version_window.py"))
    steps = re.findall(
        r"version_window\.py (\S+) --machine (\S+)", (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    )
    assert {corner for corner, _ in steps} == {"lowest", "newest"} <= set(script["CORNERS"])
    machines = {machine for _, machine in steps}
    assert len(machines) == 2 and machines <= set(script["MACHINES"]) - {"plain"}


def test_the_library_says_its_version_and_that_it_has_types():
    assert ssmpeft_lib.__version__ == version("ssmpeft-lib")
    assert (Path(ssmpeft_lib.__file__).parent / "py.typed").is_file()
