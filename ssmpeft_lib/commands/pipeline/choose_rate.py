"""Choose the learning rate that did best in a search, by its score on validation data."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ...plan import search
from ...plan.reading import read_json
from ...plan.results import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `choose-rate`."""
    parser.add_argument("tried", type=Path, nargs="+", help="files that `search-rates` wrote for one target")
    parser.add_argument("--output", type=Path, required=True, help="a JSON file: all rates, their scores, the choice")


def run(arguments: argparse.Namespace) -> None:
    """Gather and choose; a search that found nothing is written too, and the cells that wait for it say why."""
    documents = [read_json(path) for path in arguments.tried]
    targets = {document["target"] for document in documents}
    if len(targets) > 1:
        raise ValueError(f"the files are of several searches, {', '.join(sorted(targets))}; give those of one")
    entries = sorted((entry for d in documents for entry in d["rates"]), key=lambda entry: -entry["learning_rate"])
    chosen, why = search.choose(entries)
    found = {"target": targets.pop(), "learning_rate": chosen, "protocol": documents[0]["protocol"], "rates": entries}
    notes = sorted({document["note"] for document in documents if "note" in document})
    write_json(arguments.output, found | ({"why": why} if why else {}) | ({"notes": notes} if notes else {}))
    if why:
        logging.error("%s: no learning rate: %s", found["target"], why)
