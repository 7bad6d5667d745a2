"""Count the trainable parameters of every row of the exhibits, on the shapes of the real models (meta device).

So are those that the errata of the tables compare printed shares with.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ..plan.exhibit import Exhibit
from ..plan.results import write_json
from ..render.errata import load_errata


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `shares`."""
    parser.add_argument("specs", type=Path, nargs="+", help="files of workflow/exhibits/")
    parser.add_argument("--output", type=Path, required=True)


def run(arguments: argparse.Namespace) -> None:
    """Write the counts by model and method."""
    points = {
        (point.model, point.method)
        for spec in arguments.specs
        for point in Exhibit.load(spec).points
        if point.metric.startswith("params.") and not point.unserved
    }
    errata = {(count["model"], count["method"]) for erratum in load_errata() for count in erratum.counts}
    write_json(arguments.output, count_parameters(points | errata))


def count_parameters(wanted: set[tuple[str, str]]) -> dict[str, dict[str, dict]]:
    """The counts of some models and methods, by model and method."""
    from ..params import params

    counted: dict[str, dict[str, dict]] = {}
    for model, method in sorted(wanted):
        counted.setdefault(model, {})[method] = params(model, method)
        logging.info("%s %s", model, method)
    return counted
