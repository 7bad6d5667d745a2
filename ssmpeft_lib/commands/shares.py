"""Count the trainable parameters of every row of the exhibits, on the shapes of the real models (meta device)."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ..plan.exhibit import Exhibit
from ..plan.results import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `shares`."""
    parser.add_argument("specs", type=Path, nargs="+", help="files of workflow/exhibits/")
    parser.add_argument("--output", type=Path, required=True)


def run(arguments: argparse.Namespace) -> None:
    """Write the counts by model and method."""
    from ..counting import params

    wanted = sorted(
        {
            (point.model, point.method)
            for spec in arguments.specs
            for point in Exhibit.load(spec).points
            if point.metric.startswith("params.") and not point.unserved
        }
    )
    counted: dict[str, dict[str, dict]] = {}
    for model, method in wanted:
        counted.setdefault(model, {})[method] = params(model, method)
        logging.info("%s %s", model, method)
    write_json(arguments.output, counted)
