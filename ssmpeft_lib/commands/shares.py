"""Count the trainable parameters of every row of the exhibits, on the shapes of the real models (meta device).

Every method is counted with its defaults as well, on one model, for its page in the book.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ..plan import registry
from ..plan.exhibit import Exhibit
from ..plan.results import write_json

REFERENCE = "mamba-130m"
"""The model that the methods' defaults are counted on: most of the paper's tables use it."""


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
        | {(REFERENCE, method) for method in registry.files("methods")}
    )
    counted: dict[str, dict[str, dict]] = {}
    for model, method in wanted:
        counted.setdefault(model, {})[method] = params(model, method)
        logging.info("%s %s", model, method)
    write_json(arguments.output, counted)
