"""Tables 25 to 27 on a CUDA device: `python benchmarks/gpu_tables.py --model mamba-130m` writes results of cells.

As in Sec. D.9 random tokens are trained on; the weights are random too, which costs what trained ones do. A run is the
pipeline's own, with its recipe for scale paper, but shorter: of the 2,500 batches it takes --batches, a twentieth of
them for the warm-up that chooses dimensions, and its seconds are multiplied by what is left out. Memory, and the time
of the choice itself, do not depend on the number of batches. A first run of a few batches, for compilers and caches,
does not count. The files are metrics.json of the table's cells, one seed for each repetition; below recorded/ they
become the recorded values of the tables. Jamba-Mini is left out: its weights would have to be fetched.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from device import CUDA, Clock, about, network
from tokenizers import Tokenizer, models

from ssmpeft_lib.adapters.method import build_method
from ssmpeft_lib.data import _encode as encode
from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.exhibit import load_exhibits
from ssmpeft_lib.plan.results import write_metrics
from ssmpeft_lib.runs.open import adapt_run
from ssmpeft_lib.runs.run import Run
from ssmpeft_lib.training.recipe import recipe_for
from ssmpeft_lib.training.text import TextProblem

ROOT = Path(__file__).resolve().parent.parent
DATASET = "random-tokens"
BATCHES = 2500
WARM_UP_BATCHES = 8 if CUDA else 1
SELECTION_SHARE = 20


def methods() -> list[str]:
    """Of Table 25, from its spec."""
    (table,) = load_exhibits(ROOT / "workflow" / "exhibits", ["table25"])
    return [row["method"] for row in table.rows]


def opened(cell: Cell, prepared: encode.Prepared, batches: int) -> Run:
    """A run of so many batches, adapted; random weights."""
    torch.manual_seed(cell.seed)
    method = build_method(cell.method)
    recipe = recipe_for(cell, method, prepared.task, {})
    recipe = replace(recipe, steps=batches, evaluations=1, selection_steps=max(1, batches // SELECTION_SHARE))
    built = network(cell.model)
    # no answer is decoded, so that a tokenizer without words does
    problem = TextProblem(built, prepared.task, prepared.splits, Tokenizer(models.WordLevel()), 0, recipe)
    data = prepared.description | {"batches": batches, "weights": "random"}
    run = Run(cell, method, prepared.task, recipe, built, problem, data)
    adapt_run(run)
    return run


def measured(model: str, batches: int, repetitions: int, clock: Clock, output: Path) -> None:
    """Every method in turn, so many times; what there is no time for is left out."""
    with tempfile.TemporaryDirectory() as scratch:
        prepared = encode.prepare(DATASET, sources.find(DATASET, "paper"), None, Path(scratch, "encoded"))
        for repetition in range(-1, repetitions):
            for method in methods():
                if clock.left() < 0:
                    print(f"no time left for repetition {repetition} of {method}")
                    continue
                cell = Cell("paper", model, method, DATASET, max(repetition, 0))
                run = opened(cell, prepared, WARM_UP_BATCHES if repetition < 0 else batches)
                run.train()
                for part in {"train", "selection_train"} & run.timers.keys():
                    run.timers[part].seconds *= BATCHES / batches
                document = run.metrics()
                del run
                gc.collect()
                if CUDA:
                    torch.cuda.empty_cache()
                if repetition < 0:
                    continue
                document["made_by"] |= about()
                folder = output / cell.path
                folder.mkdir(parents=True, exist_ok=True)
                write_metrics(folder / "metrics.json", document)
                print(cell, {name: document["cost"].get(name) for name in ("train_seconds", "peak_memory_gb")})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mamba-130m", choices=("mamba-130m", "mamba-1.4b", "jamba-tiny-319m"))
    parser.add_argument("--batches", type=int, default=200 if CUDA else 2)
    parser.add_argument("--repetitions", type=int, default=4 if CUDA else 1)
    parser.add_argument("--minutes", type=float, default=8, help="stop starting runs after this time")
    parser.add_argument(
        "--output", type=Path, default=Path("results/benchmarks/tables"), help="a folder like recorded/"
    )
    options = parser.parse_args()
    measured(options.model, options.batches, options.repetitions, Clock(options.minutes * 60), options.output)


if __name__ == "__main__":
    main()
