"""Say how many cells, hours and gigabytes a configuration will take, before anyone starts it.

Time is of one GPU at scale paper and of one core else. Where runs were recorded, their means count; else figures
follow from the times and memory that the paper prints, and the last column says so. --record writes the means of the
finished runs below --results into recorded/costs.json.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Any

from ..drawing.numbers import duration, memory
from ..plan import costs, left_out, paths, search
from ..plan.cell import SCALES, Cell
from ..plan.config import CONFIG_FILE, Config
from ..plan.costs import PARTS, SPECS, cost_of, gigabytes
from ..plan.exhibit import load_exhibits
from ..plan.results import read_metrics

CARD_GB = 80
"""Memory of the GPU that the paper's times are of."""

SHARE = 0.01
"""What a method is taken to train and save; the budget of Table 1 is below it."""

MEANINGS = {
    "recorded": "mean of recorded runs on the same model and data",
    "printed": "Tables 25 and 26, one H100: the time of a step, sequences as long as the longest, scoring an example "
    "like training on one; more than short sequences take, less than long generated answers",
    "extrapolated": "the same for a model of another size or data without a record",
    "assumed": "a guess, for nothing was recorded yet",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `plan`."""
    parser.add_argument("--scale", choices=SCALES, help="instead of the scale in the configuration")
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="(default: %(default)s)")
    parser.add_argument("--data-dir", type=Path, help="instead of the folder of original files in the configuration")
    parser.add_argument("--results", type=Path, default=Path("results"), help="finished runs (default: %(default)s)")
    parser.add_argument("--record", action="store_true", help="write recorded/costs.json")


def run(arguments: argparse.Namespace) -> None:
    """Print the plan."""
    if arguments.record:
        costs.record(means_of(arguments.results))
    config = Config.load(arguments.config, arguments.scale, arguments.data_dir)
    exhibits = load_exhibits(SPECS, config.exhibits)
    cells = [cell for cell in config.every_cell(exhibits) if config.wants(cell)]
    done = [cell for cell in cells if (arguments.results / cell.path / "metrics.json").exists()]
    print(
        f"Scale {config.scale}, {len(config.seeds)} seed(s): {len(cells):,} cells for {len(exhibits)} tables and "
        f"figures, {len(done):,} of them with a result."
    )
    for message in left_out.messages(config, exhibits, load_exhibits(SPECS)):
        print(f"warning: {message}")
    print("\n".join([*table(cells), *too_large(cells), *missing_data(cells)]))
    if config.lr_search != "off":
        print(search_line(cells, config))


def too_large(cells: Iterable[Cell]) -> Iterator[str]:
    """A warning for each model with cells that one GPU may not hold."""
    found: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        needed = cost_of(cell.scale, cell.model, cell.dataset).memory_gb
        if cell.scale == "paper" and needed > CARD_GB:
            found[cell.model].append(needed)
    for model, needed in sorted(found.items()):
        yield (
            f"warning: {len(needed):,} cells of {model} may take up to {memory(max(needed))}; a cell has one GPU, and "
            f"one of {CARD_GB} GB may be too small. What helps is recompute_every: 1 or a smaller batch_size under "
            "overrides in config.yaml"
        )


def missing_data(cells: Iterable[Cell]) -> Iterator[str]:
    """A warning for each thing that a metric of the cells would need beside the examples and that is not there."""
    from ..data import dataset
    from ..metrics import missing

    names = {cell.dataset for cell in cells if cell.scale != "quick"}
    yield from dict.fromkeys(f"warning: {text}" for name in sorted(names) for text in missing(dataset(name).task(name)))


def search_line(cells: Iterable[Cell], config: Config) -> str:
    """How many trainings the learning-rate search adds; the seeds of a cell share it."""
    searched = {search.folder(cell) for cell in cells if search.searched(cell, config.overrides_for(cell))}
    processes = len(searched) * len(search.processes(config.lr_search_together, config.lr_search_rates))
    return (
        f"The learning-rate search comes on top and is not in the table: {len(searched):,} times "
        f"{len(config.lr_search_rates)} rates, each {search.EPOCHS} epoch on {search.TRAIN_EXAMPLES:,} examples "
        f"at most, in {processes:,} processes."
    )


def table(cells: Iterable[Cell]) -> Iterator[str]:
    """A line for each model, their sum, disk space, and what the sources mean."""
    by_model: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_model[cell.model].append(cell)
    paper = any(cell.scale == "paper" for cell in cells)
    yield f"{'model':18} {'cells':>6} {'GPU time' if paper else 'core time':>14} {'memory':>10}  from"
    sources, together = set(), 0.0
    for model, own in sorted(by_model.items()):
        each = [cost_of(cell.scale, cell.model, cell.dataset) for cell in own]
        spent, kinds = sum(cost.seconds for cost in each), {cost.source for cost in each}
        peak = max(cost.memory_gb for cost in each)
        yield f"{model:18} {len(own):>6,} {duration(spent):>14} {memory(peak):>10}  {', '.join(sorted(kinds))}"
        sources, together = sources | kinds, together + spent
    yield f"{'together':18} {sum(map(len, by_model.values())):>6,} {duration(together):>14}"
    if paper:
        checkpoints, adapters = disk(cells)
        yield (
            f"Disk: {checkpoints:,.0f} GB of checkpoints and {adapters:,.0f} GB of adapters in single precision; full "
            f"fine-tuning saves the whole model, other methods are taken to save {SHARE:.0%} of it."
        )
    for source in sorted(sources):
        yield f"{source}: {MEANINGS[source]}."


def disk(cells: Iterable[Cell]) -> tuple[float, float]:
    """Gigabytes of the models, and of what the cells save."""
    models = {cell.model for cell in cells}
    saved = (gigabytes(cell.model) * (1 if cell.method == "full" else SHARE) for cell in cells)
    return sum(map(gigabytes, models)), sum(saved)


def means_of(results: Path) -> dict[str, Any]:
    """Mean costs of finished runs, by scale, model and data set.

    Raises:
        ValueError: there are no finished runs.
    """
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for path in paths.all_metrics(results):
        metrics = read_metrics(path)
        with suppress(LookupError):
            # of a model, method or data set that was taken away there is nothing to plan
            cell = Cell.parse(metrics["cell"])
            if metrics["status"] == "ok":
                found[cell.scale, cell.model, cell.dataset].append(metrics)
    if not found:
        raise ValueError(f"no finished runs below {results}/: nothing to record")
    means: dict[str, Any] = {}
    for (scale, model, dataset), runs in found.items():
        means.setdefault(scale, {}).setdefault(model, {})[dataset] = _means(runs)
    return means


def _means(runs: list[dict[str, Any]]) -> dict[str, Any]:
    spent = [sum(run["cost"].get(f"{part}_seconds", 0) for part in PARTS) for run in runs]
    peaks = [run["cost"].get("peak_memory_gb", 0) for run in runs]
    return {
        "cells": len(runs),
        "seconds": round(fmean(spent), 3),
        "memory_gb": round(max(peaks), 3),
        "devices": sorted({run["made_by"]["device"] for run in runs}),
    }
