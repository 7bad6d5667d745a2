"""Try learning rates of methods on miniatures, on the validation sets: how those in ssmpeft_lib/methods/ were chosen.

    python benchmarks/quick_rates.py --methods lora@linear full --datasets glue-rte glue-cola --rates 5e-3 1.5e-2 5e-2

Models and data are those below --results; `python benchmarks/quick_signal.py` makes them, and so does the pipeline.
Prints a line for each method and rate: the mean score over data sets and seeds, and that of each data set. A run whose
loss is no longer a number scores nothing and is shown as `diverged`. No test set is looked at.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ssmpeft_lib.adapters.method import build_method
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.runs.open import adapt_run, open_run
from ssmpeft_lib.training.loop import Diverged


def score(cell: Cell, rate: float, results: Path) -> float | None:
    """The best validation score of a cell at a learning rate; None where it diverged."""
    run = open_run(cell, results, {"learning_rate": rate})
    adapt_run(run)
    try:
        return run.train().best_score
    except Diverged:
        return None


def shown(scores: list[float | None]) -> str:
    """The mean of a few scores."""
    return "diverged" if None in scores else f"{statistics.mean(scores):8.1f}"


def main() -> None:
    """Try every rate of every method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mamba-130m")
    parser.add_argument("--methods", nargs="+", required=True, help="method strings")
    parser.add_argument("--datasets", nargs="+", default=["glue-rte", "glue-cola", "glue-mnli"])
    parser.add_argument("--rates", nargs="+", type=float, help="in place of half, once and twice a method's own")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("results"))
    options = parser.parse_args()
    print(f"{'method':32} {'rate':>8} {'mean':>8} " + " ".join(f"{name:>10}" for name in options.datasets))
    for method in options.methods:
        own = build_method(method).rate()
        for rate in options.rates or (own / 2, own, 2 * own):
            by_dataset = [
                [
                    score(Cell("quick", options.model, method, name, seed), rate, options.results)
                    for seed in range(options.seeds)
                ]
                for name in options.datasets
            ]
            columns = " ".join(f"{shown(scores):>10}" for scores in by_dataset)
            print(f"{method:32} {rate:8.3g} {shown(sum(by_dataset, [])):>8} {columns}", flush=True)


if __name__ == "__main__":
    main()
