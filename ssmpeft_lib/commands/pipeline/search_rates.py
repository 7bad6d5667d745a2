"""Try some learning rates of the search for one model, method and data set, and write how each did.

Several rates are trained side by side in this process. A rate that fails is written down as failed, so that the cells
that wait for it can say why; `python -m ssmpeft_lib forget-failed` lets the next run try it again.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

from ...execute.gpus import own_gpu
from ...plan import manifest, paths, search
from ...plan.cell import Cell
from ...plan.results import write_json
from ...plan.snakemake.resources import Needs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `search-rates`."""
    parser.add_argument("target", help="scale/model/method/dataset")
    parser.add_argument("rates", type=search.parse_rates, help="joined by plus signs, such as 4e-3+2e-3")
    parser.add_argument("--to-the-end", action="store_true", help="stop no rate early whose loss has run away")
    parser.add_argument("--overrides", default="{}", help="overrides of the recipe, as JSON")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where models and data lie")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch on a CPU")
    parser.add_argument("--output", type=Path, required=True, help="a JSON file with an entry for each rate")


def run(arguments: argparse.Namespace) -> None:
    """Try them."""
    from ...runs.rate_search import Search

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cell = Cell.parse(f"{arguments.target}/seed{search.SEED}")
    overrides = json.loads(arguments.overrides)
    tried = Search(cell, arguments.results, overrides, arguments.to_the_end, arguments.threads)
    rates = arguments.rates
    manifest.ensure_all(arguments.results / path for path in paths.prepared(cell.scale, cell.model, cell.dataset))
    try:
        with own_gpu(Needs(cell.scale).gpus > 0):
            entries = tried.side_by_side(rates) if len(rates) > 1 else tried.one_by_one(rates)
    except Exception as error:
        logging.exception("%s: trying %s failed", arguments.target, arguments.rates)
        message = f"{type(error).__name__}: {error}"
        entries = [{"learning_rate": rate, "status": "failed", "message": message} for rate in rates]
    document = {"target": arguments.target, "protocol": tried.protocol, "rates": entries}
    write_json(arguments.output, document | ({"note": tried.note} if tried.note else {}))
