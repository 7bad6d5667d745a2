"""Runs of Figures 1 and 2 at every learning rate, written to a file that the pages of the figures are made from.

A cell keeps its best learning rate only, and one line of metrics; the chapter on the figures shows the others too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import process_time
from typing import Any

from ..compare.regression_runs import MODEL, RECORDS_VERSION, read_runs, write_runs
from ..plan import registry
from ..plan.cell import Cell
from ..plan.reading import read_json
from ..plan.results import write_json
from ..training import provenance
from ..training.loop import Diverged
from .many_rates import Version, train_side_by_side
from .open import adapt_run, open_run
from .run import Run


def run_to_file(path: Path, dataset: str, methods: Sequence[str], seeds: Sequence[int], results: Path) -> None:
    """Run methods on seeds at scale paper. Both files are written after each method; what is there is not run again.

    Args:
        path: the CSV file; the JSON file lies beside it and says how it was made.
        dataset: `synthetic-regression`, or `synthetic-regression-once`.
        results: the results directory, which holds the data set.
    Raises:
        ValueError: the files hold runs of another data set or other seeds.
        NotPrepared: the data set was not prepared; names the command that does.
    """
    steps = registry.dataset_facts(dataset).epochs
    setting = {"version": RECORDS_VERSION, "dataset": dataset, "seeds": list(seeds), "steps": steps}
    about = path.with_suffix(".json")
    made = read_json(about) if about.exists() else {"setting": setting, "cpu_seconds": 0}
    if made["setting"] != setting:
        raise ValueError(f"{about}: holds runs of {made['setting']}, asked for {setting}; choose another file")
    runs = read_runs(path) if path.exists() else []
    done = {run["method"] for run in runs}
    for method in (method for method in methods if method not in done):
        start = process_time()
        for seed in seeds:
            runs += run_at_every_rate(Cell("paper", MODEL, method, dataset, seed), results)
        made["cpu_seconds"] = round(made["cpu_seconds"] + process_time() - start, 1)
        write_runs(path, runs)
        write_json(about, made | {"made_by": provenance.environment()})


def run_at_every_rate(cell: Cell, results: Path) -> Iterator[dict[str, Any]]:
    """A record of a cell at each of its recipe's learning rates.

    Yields:
        method, seed, learning_rate, number and share (%) of trained parameters, and mean squared errors: `first_error`
        before training, `error`, the smallest in training, which the released script reports, `last_error` in the last
        step, and `fresh_error` after training, on sequences that were not trained on.
    """
    run = open_run(cell, results)
    total = sum(parameter.numel() for parameter in run.model.parameters())
    trained = adapt_run(run)["trainable"]
    rates = run.recipe.learning_rates
    for rate, version in zip(rates, train_side_by_side(run, rates, [None] * len(rates)), strict=True):
        version.put_into(run)
        yield {
            "method": cell.method,
            "seed": cell.seed,
            "learning_rate": rate,
            "trained": trained,
            "share": 100 * trained / total,
            "first_error": version.losses[0],
            "error": min(version.losses),
            "last_error": version.losses[-1],
            "fresh_error": _fresh_error(run, version),
        }


def _fresh_error(run: Run, version: Version) -> float:
    """The mean squared error after training on sequences that were not trained on; infinity where there is none."""
    try:
        return math.inf if version.stopped else run.score("test")["mse"]
    except Diverged:
        return math.inf
