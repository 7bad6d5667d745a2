"""Fill the errata of the tables with numbers recomputed from the specs, and find what is printed twice, as JSON.

Keys: errata (each with id, kind, weight, exhibits, where, title, printed, right, text and evidence) and printed_twice
(quantities that the paper prints with two values: model, method, dataset, metric and where, a list of exhibit, row,
column and value).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ...compare.errata import errata_of_tables, printed_twice
from ...plan.exhibit import load_exhibits
from ...plan.registry import PACKAGE
from ...plan.results import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `errata`."""
    parser.add_argument(
        "--specs", type=Path, default=PACKAGE.parent / "workflow" / "exhibits", help="(default: %(default)s)"
    )
    parser.add_argument("--shares", type=Path, required=True, help="the counted parameters, from `shares`")
    parser.add_argument("--output", type=Path, required=True)


def run(arguments: argparse.Namespace) -> None:
    """Write the errata."""
    exhibits = load_exhibits(arguments.specs)
    shares = json.loads(arguments.shares.read_text(encoding="utf-8"))
    found = {"errata": errata_of_tables(exhibits, shares), "printed_twice": printed_twice(exhibits)}
    write_json(arguments.output, found)
