"""Run one cell: its notebook, metrics.json, predictions.jsonl and adapter.

The executed notebook is moved into place whole. A cell that fails keeps its notebook up to the traceback and writes
`status: failed` into metrics.json, so that tables and book show the hole; this command then still ends well, and
`python -m ssmpeft_lib summary` is what says that something failed.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
from pathlib import Path

from ...execute.gpus import own_gpu
from ...execute.notebook import execute
from ...plan import code, manifest, paths
from ...plan.atomic import replacing
from ...plan.cell import Cell
from ...plan.results import RESULTS_VERSION, write_metrics
from ...plan.snakemake.resources import Needs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `run-cell`."""
    parser.add_argument("cell", help="scale/model/method/dataset/seedN")
    parser.add_argument("--notebook", type=Path, required=True, help="the notebook to execute, as .ipynb")
    parser.add_argument("--output", type=Path, required=True, help="the executed notebook; results go beside it")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where models and data lie")
    parser.add_argument("--overrides", default="{}", help="overrides of the recipe, as JSON")
    parser.add_argument("--learning-rate", default="", help="a file with the learning rate that a search found")
    parser.add_argument(
        "--hours",
        type=float,
        default=os.environ.get("SSMPEFT_CELL_HOURS"),
        help="after which the cell is stopped and counts as failed; the default is $SSMPEFT_CELL_HOURS, or none",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of torch on a CPU")


def run(arguments: argparse.Namespace) -> int:
    """Execute the notebook."""
    cell = Cell.parse(arguments.cell)
    folder = arguments.output.parent
    # as they are seen from the working directory, which is the kernel's: a notebook is read on other machines
    parameters = {
        "cell": str(cell),
        "results": os.path.relpath(arguments.results),
        "output": os.path.relpath(folder),
        "overrides": arguments.overrides,
        "learning_rate": os.path.relpath(arguments.learning_rate) if arguments.learning_rate else "",
        "threads": arguments.threads,
    }
    metrics = folder / paths.METRICS
    for earlier in (metrics, folder / "predictions.jsonl"):
        earlier.unlink(missing_ok=True)
    shutil.rmtree(folder / "adapter", ignore_errors=True)
    manifest.ensure_all(arguments.results / path for path in paths.prepared(cell.scale, cell.model, cell.dataset))
    with replacing(arguments.output) as draft, own_gpu(Needs(cell.scale).gpus > 0):
        error = execute(arguments.notebook, draft, parameters, arguments.hours)
    if error is not None and error["type"] == manifest.NotPrepared.__name__:
        # damaged since it was looked at: no result of the cell
        logging.error("%s: %s", cell, error["message"])
        return 1
    if error is None and not metrics.exists():
        error = {"type": "MissingResult", "message": f"the notebook ended without writing {metrics}"}
    if error is not None:
        write_metrics(metrics, _failure(cell, error))
        logging.error("%s failed: %s: %s", cell, error["type"], error["message"])
    return 0


def _failure(cell: Cell, error: dict) -> dict:
    return {
        "schema": 1,
        "status": "failed",
        "error": error,
        "cell": str(cell),
        "made_by": {"results_version": RESULTS_VERSION, "code": code.digests(cell)},
    }
