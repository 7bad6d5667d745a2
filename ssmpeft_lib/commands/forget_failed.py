"""Remove the results of failed cells, so that the next run tries them again. Their notebooks stay until then."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..plan.results import read_metrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `forget-failed`."""
    parser.add_argument("--results", type=Path, default=Path("results"))


def run(arguments: argparse.Namespace) -> None:
    """Remove them and say which."""
    for path in sorted(arguments.results.glob("*/cells/*/*/*/*/metrics.json")):
        if read_metrics(path)["status"] == "failed":
            path.unlink()
            print(f"forgot {path.parent}")
