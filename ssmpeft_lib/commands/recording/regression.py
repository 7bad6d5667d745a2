"""Train every method of Figures 1 and 2 at every learning rate and write all runs to a file.

It takes about 40 minutes of one core for 5 seeds. A file that is there already is continued. The data set is made
first, with `snakemake --cores 1 results/paper/data/none/synthetic-regression.json`.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `regression`."""
    parser.add_argument(
        "--output", type=Path, required=True, help="CSV file to write; a JSON file beside it says how it was made"
    )
    parser.add_argument("--dataset", default="synthetic-regression", help="or synthetic-regression-once")
    parser.add_argument("--methods", nargs="+", help="method strings, in place of those of the figures' rows")
    parser.add_argument("--rule", choices=["paper", "upstream"], default="paper", help="how dimensions are chosen")
    parser.add_argument("--seeds", type=int, default=5, help="number of random draws (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where the data set lies")


def run(arguments: argparse.Namespace) -> None:
    """Run the rows of the figures."""
    from ...compare.regression_runs import methods
    from ...runs.regression import run_to_file

    wanted = arguments.methods or methods(arguments.rule)
    run_to_file(arguments.output, arguments.dataset, wanted, range(arguments.seeds), arguments.results)
