"""Pack the results of a scale into one file, to carry them from a cluster to where the book is made.

What is packed of a cell: metrics.json, the executed notebook and the predictions. See `unpack`. Whoever passes the file
on to others says --without-texts: of a data set whose licence does not let its texts be passed on, it then holds the
model's answers, the labels of a classification, and scores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..plan.archive import pack
from ..plan.cell import SCALES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pack`."""
    parser.add_argument("output", type=Path, help="the file to write, such as recorded/paper.tar.gz")
    parser.add_argument("--scale", required=True, choices=SCALES)
    parser.add_argument("--without-texts", action="store_true", help="of data sets that may not be passed on")
    parser.add_argument("--results", type=Path, default=Path("results"), help="(default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Pack and say how much."""
    cells = pack(arguments.results, arguments.scale, arguments.output, arguments.without_texts)
    print(f"{arguments.output}: {len(cells):,} cells, {arguments.output.stat().st_size / 1e6:.1f} MB")
