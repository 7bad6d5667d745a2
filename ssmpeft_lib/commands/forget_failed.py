"""Remove the results of failed cells and of failed rates of searches, so that the next run tries them again.

Notebooks stay until then.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..plan.paths import CHECKPOINT, all_metrics
from ..plan.reading import read_json
from ..plan.results import read_metrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `forget-failed`."""
    parser.add_argument("--results", type=Path, default=Path("results"))


def run(arguments: argparse.Namespace) -> None:
    """Remove them and say which."""
    for path in all_metrics(arguments.results):
        if read_metrics(path)["status"] == "failed":
            # else the next run would go on from where this one failed
            path.with_name(CHECKPOINT).unlink(missing_ok=True)
            path.unlink()
            print(f"forgot {path.parent}")
    for path in sorted(arguments.results.glob("*/search/*/*/*/rates/*.json")):
        if any(entry["status"] == "failed" for entry in read_json(path)["rates"]):
            path.unlink()
            print(f"forgot {path}")
