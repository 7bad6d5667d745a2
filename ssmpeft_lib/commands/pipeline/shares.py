"""Count the trainable parameters of every row of the exhibits, on the shapes of the real models (meta device).

So are those that the errata of the tables compare printed shares with, and every method with its defaults on one model,
for its page in the book. Beside the counts lies what the code says of its methods, their options, the slots and its
public names.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ...compare.errata import load_errata
from ...plan import registry
from ...plan.exhibit import Exhibit
from ...plan.results import write_json

REFERENCE = "mamba-130m"
"""The model that the methods' defaults are counted on: most of the paper's tables use it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `shares`."""
    parser.add_argument("specs", type=Path, nargs="+", help="files of workflow/exhibits/")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--catalogue", type=Path, help="where to say what methods and slots there are")


def run(arguments: argparse.Namespace) -> None:
    """Write the counts by model and method."""
    points = {
        (point.model, point.method)
        for spec in arguments.specs
        for point in Exhibit.load(spec).points
        if point.metric.startswith("params.")
    }
    errata = {(count["model"], count["method"]) for erratum in load_errata() for count in erratum.counts}
    defaults = {(REFERENCE, method) for method in registry.files("methods")}
    write_json(arguments.output, count_parameters(points | errata | defaults))
    if arguments.catalogue:
        from ...methods._catalogue import catalogue
        from ._reference import describe_library

        write_json(arguments.catalogue, catalogue() | {"reference": describe_library()})


def count_parameters(wanted: set[tuple[str, str]]) -> dict[str, dict[str, dict]]:
    """The counts of some models and methods, by model and method; where counting fails, `problem` says why."""
    from ...adapters.count import params

    counted: dict[str, dict[str, dict]] = {}
    for model, method in sorted(wanted):
        try:
            found = params(model, method)
            logging.info("%s %s", model, method)
        # the code of a method may raise anything, and one that does must not keep the others from the book
        except Exception as error:
            found = {"problem": f"{type(error).__name__}: {error}"}
            logging.warning("%s %s was not counted: %s", model, method, found["problem"])
        counted.setdefault(model, {})[method] = found
    return counted
