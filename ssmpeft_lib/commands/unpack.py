"""Unpack results that `pack` wrote; then `cells: existing` in config.yaml makes the book of them, running nothing.

Checksums and names are checked before anything is put in place, and results of another version are refused. The
notebooks become pages: unpack what you trust.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..plan.archive import unpack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `unpack`."""
    parser.add_argument("archive", type=Path, help="written by pack")
    parser.add_argument("--results", type=Path, default=Path("results"), help="(default: %(default)s)")
    parser.add_argument("--replace", action="store_true", help="also where a cell has another result already")


def run(arguments: argparse.Namespace) -> None:
    """Unpack and say how much."""
    cells = unpack(arguments.archive, arguments.results, arguments.replace)
    print(f"{len(cells):,} cells in {arguments.results}/")
