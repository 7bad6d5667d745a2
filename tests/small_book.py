"""A real book of ten small cells, run by Snakemake in a folder of its own: a minute of work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from reference import REPOSITORY

EXHIBIT = "table18"
CELLS = 10
OVERRIDE = {"match": "*", "set": {"steps": 3, "eval_examples": 4, "train_examples": 64}}
CONFIG = {"exhibits": [EXHIBIT], "pretraining_steps": 2, "overrides": [OVERRIDE]}


def command(folder: Path, *arguments: str, profile: str = "default", **config: object) -> list[str]:
    """Snakemake's command line for the small book; `config` changes config.yaml further."""
    path = Path(folder) / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(CONFIG | config), encoding="utf-8")
    places = ["--snakefile", REPOSITORY / "Snakefile", "--directory", folder, "--configfile", path]
    profiles = ["--workflow-profile", REPOSITORY / "profiles" / profile]
    return [sys.executable, "-m", "snakemake", *map(str, places + profiles), *arguments]


def snakemake(folder: Path, *arguments: str, environment: dict | None = None, **options) -> subprocess.CompletedProcess:
    """Run Snakemake on the small book to its end; standard error is with the output."""
    return subprocess.run(
        command(folder, *arguments, **options),
        env=environment or dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=900,
    )


def results(folder: Path, name: str = "metrics.json") -> list[Path]:
    """Files of that name of all cells that have one."""
    return sorted(Path(folder, "results", "quick", "cells").glob(f"*/*/*/*/{name}"))


def times(folder: Path) -> dict[Path, int]:
    """When each result was written: another time means that it was computed again."""
    return {path: path.stat().st_mtime_ns for path in results(folder)}
