"""Say what ran and what failed, and end with an error if any cell failed."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..plan.results import read_metrics, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `summary`."""
    parser.add_argument("--scale", required=True, choices=["quick", "real", "paper"])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--output", type=Path, help="written only if every cell ran")


def run(arguments: argparse.Namespace) -> int:
    """Print the summary."""
    root = arguments.results / arguments.scale
    metrics = [read_metrics(path) for path in sorted(root.glob("cells/*/*/*/*/metrics.json"))]
    failed = [found for found in metrics if found["status"] == "failed"]
    lines = [f"{len(metrics) - len(failed)} of {len(metrics)} cells ran."]
    lines += [f"failed: {found['cell']}: {found['error']['type']}: {found['error']['message']}" for found in failed]
    book = root / "html" / "index.html"
    if book.exists():
        lines.append(f"The book: {book.resolve()}")
    if failed:
        lines.append("To run them again: python -m ssmpeft_lib forget-failed, then the same command as before.")
    text = "\n".join(lines)
    print(text)
    if arguments.output and not failed:
        write_text(arguments.output, text + "\n")
    return 1 if failed else 0
