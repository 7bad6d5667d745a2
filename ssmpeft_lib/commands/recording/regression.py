"""Train every method of Figures 1 and 2 on the synthetic regression and write all runs to a file.

It takes about 20 minutes of one core for 5 seeds. A file that is there already is continued.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `regression`."""
    parser.add_argument(
        "--output", type=Path, required=True, help="CSV file to write; a JSON file beside it says how it was made"
    )
    parser.add_argument("--seeds", type=int, default=5, help="number of random draws (default: %(default)s)")
    parser.add_argument("--sequences", type=int, default=1, help="sequences to train on (default: %(default)s)")
    parser.add_argument("--resample", action="store_true", help="draw new sequences in every iteration")
    parser.add_argument("--steps", type=int, default=500, help="iterations (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Run the grid."""
    import torch

    from ...theory.regression import GRID, Data
    from ...theory.regression_records import run_to_file

    torch.set_num_threads(1)
    data = Data(arguments.sequences, arguments.resample)
    run_to_file(arguments.output, range(arguments.seeds), GRID, data, arguments.steps)
