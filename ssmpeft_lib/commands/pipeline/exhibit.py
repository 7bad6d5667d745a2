"""Join an exhibit's printed values with the results of its cells, as JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ...compare.join import exhibit_document
from ...plan.cell import SCALES
from ...plan.exhibit import Exhibit
from ...plan.registry import PACKAGE
from ...plan.results import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `exhibit`."""
    parser.add_argument("spec", type=Path, help="a file of workflow/exhibits/")
    parser.add_argument("--scale", required=True, choices=SCALES)
    parser.add_argument("--seeds", type=int, required=True, help="how many seeds")
    parser.add_argument("--shares", type=Path, required=True, help="the counted parameters, from `shares`")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--recorded", type=Path, default=PACKAGE.parent / "recorded", help="(default: %(default)s)")
    parser.add_argument("--small-models", type=Path, help="folder of the recorded runs of scale real, unpacked")
    parser.add_argument("--output", type=Path, required=True)


def run(arguments: argparse.Namespace) -> None:
    """Write the joined exhibit."""
    shares = json.loads(arguments.shares.read_text(encoding="utf-8"))
    exhibit = Exhibit.load(arguments.spec)
    seeds = range(arguments.seeds)
    document = exhibit_document(
        exhibit, arguments.scale, seeds, arguments.results, shares, arguments.recorded, arguments.small_models
    )
    write_json(arguments.output, document)
