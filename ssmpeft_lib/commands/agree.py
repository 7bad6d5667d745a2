"""Say whether results here are those of an archive: the same learning rate, and every score to the last digit.

Ends with an error where a cell has other numbers, or has none in one of the two places.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..plan import paths
from ..plan.archive import unpack
from ..plan.cell import Cell
from ..plan.results import read_metrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `agree`."""
    parser.add_argument("archive", type=Path, help="what `pack` wrote, such as recorded/real.tar.gz")
    parser.add_argument("cells", nargs="+", help="such as real/mamba-130m/bitfit/dart/seed0")
    parser.add_argument("--results", type=Path, default=Path("results"), help="(default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Compare the cells; returns 1 where one differs."""
    cells = [Cell.parse(text) for text in arguments.cells]
    if not arguments.archive.exists():
        raise FileNotFoundError(f"{arguments.archive} is not there, so that there is nothing to compare with")
    with TemporaryDirectory() as scratch:
        unpack(arguments.archive, Path(scratch))
        found = {cell: list(differences(cell, arguments.results, Path(scratch))) for cell in cells}
    for cell, lines in found.items():
        print(f"{cell}: " + ("other numbers than recorded" if lines else "the recorded numbers"))
        for line in lines:
            print(f"  {line}")
    return 1 if any(found.values()) else 0


def differences(cell: Cell, results: Path, recorded: Path) -> Iterator[str]:
    """Say in a line each what differs between a cell here and in another results directory."""
    files = [folder / paths.metrics_file(cell) for folder in (results, recorded)]
    missing = [word for file, word in zip(files, ("here", "in the archive"), strict=True) if not file.exists()]
    if missing:
        yield f"there is no result {' and none '.join(missing)}"
        return
    here, there = (_numbers(read_metrics(file)) for file in files)
    for name in sorted(here.keys() | there.keys()):
        if here.get(name) != there.get(name):
            yield f"{name}: {here.get(name)} here, {there.get(name)} recorded"


def _numbers(metrics: dict[str, Any]) -> dict[str, float | str]:
    """What a cell came to, by dotted names, less the resamples."""
    kept = {"status": metrics["status"], "learning_rate": metrics.get("recipe", {}).get("learning_rate")}
    for split in ("val", "test"):
        kept |= {f"{split}.{name}": value for name, value in metrics.get(split, {}).items() if name != "replicates"}
    return kept
