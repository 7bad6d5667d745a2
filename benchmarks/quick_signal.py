"""Measure whether scale quick means something: does adapting a stand-in teach it the miniatures?

    python benchmarks/quick_signal.py --output recorded/quick_signal.json

Prints, for each method, the accuracy on the seven GLUE miniatures and BLEU on DART's, means over seeds, then what is
asked of them, then CPU seconds a cell. Cells run one after the other in this process, by the pipeline's own code, on
the test sets; learning rates were chosen on the validation sets (benchmarks/quick_rates.py). Models and data are
prepared below --results when they are not there.

Answers are the likeliest token of the whole vocabulary, so that an answer which is no label is wrong. Where a
difference is asked for, what is taken off is scored among the label words alone, which is never harder. So is the
unadapted model, which says no label at all.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ssmpeft_lib.__main__ import main as ssmpeft
from ssmpeft_lib.metrics import accuracy
from ssmpeft_lib.plan import paths, registry
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.results import write_json
from ssmpeft_lib.runs.open import adapt_run, open_run
from ssmpeft_lib.runs.run import Run
from ssmpeft_lib.training.provenance import environment

ROOT = Path(__file__).resolve().parent.parent
MODEL = "mamba-130m"
GLUE = registry.groups()["glue"]
LORA, PROMPT, FULL, INITIAL_STATE = "lora@linear", "prompt,tokens=16", "full", "initial_state"
ON_GLUE = ("pretrained", PROMPT, INITIAL_STATE, LORA, FULL)
ON_DART = ("prompt", LORA, FULL)
RANDOM = f"{LORA}, random stand-in"
"""LoRA on the stand-in as it is before pretraining."""

CHANCE = statistics.mean(1 / len(registry.load("data", name).task(name).labels) for name in GLUE) * 100
SECONDS = {"glue": 1.5, "dart": 4.0}
"""CPU seconds of training and evaluation that a cell may take."""


@dataclass(frozen=True)
class Means:
    """Scores of a method on average over data sets and seeds.

    Attributes:
        score: accuracy, or BLEU.
        among_labels: accuracy when only label words may be said; BLEU as it is.
    """

    score: float
    among_labels: float


Table = dict[str, dict[str, Means]]
"""By `glue` and `dart`, then by method."""


@dataclass(frozen=True)
class Bar:
    """What is asked: a number of the table, and its least or greatest value."""

    what: str
    value: Callable[[Table], float]
    least: float | None = None
    greatest: float | None = None

    def judge(self, table: Table) -> dict:
        """The number, and whether it is as asked."""
        value = self.value(table)
        met = self.greatest is None or value <= self.greatest
        met = met and (self.least is None or value >= self.least)
        asked = f">= {self.least:g}" if self.least is not None else f"<= {self.greatest:g}"
        return {"what": self.what, "value": round(value, 2), "asked": asked, "met": met}


def gain(data: str, above: str, below: str) -> Callable[[Table], float]:
    """By how much a method is better than another."""
    return lambda table: table[data][above].score - table[data][below].among_labels


BARS = (
    Bar(
        f"GLUE: unadapted, off chance ({CHANCE:.1f})",
        lambda table: abs(table["glue"]["pretrained"].among_labels - CHANCE),
        greatest=5,
    ),
    Bar("GLUE: LoRA - prompt tuning", gain("glue", LORA, PROMPT), least=20),
    Bar("GLUE: full - prompt tuning", gain("glue", FULL, PROMPT), least=30),
    Bar("GLUE: initial state - prompt tuning", gain("glue", INITIAL_STATE, PROMPT), least=10),
    Bar("GLUE: LoRA, pretrained - random stand-in", gain("glue", LORA, RANDOM), least=10),
    Bar("DART: BLEU of full", lambda table: table["dart"][FULL].score, least=50),
    Bar("DART: LoRA - prompt tuning", gain("dart", LORA, "prompt"), least=12),
)


def prepare(results: Path, datasets: list[str], steps: int | None) -> None:
    """Make tokenizer, stand-in and data below a results directory, as the pipeline does, where they are missing."""
    tokenizer = results / paths.tokenizer_file("quick", paths.STAND_IN_TOKENIZER)
    model = results / paths.checkpoint_folder("quick", MODEL) / "model.json"
    commands = {
        tokenizer: ["prepare-tokenizer", "quick", paths.STAND_IN_TOKENIZER],
        model: ["prepare-model", "quick", MODEL, "--tokenizer", str(tokenizer)]
        + (["--steps", str(steps)] if steps is not None else []),
    }
    for name in datasets:
        made = results / paths.data_file("quick", name, paths.STAND_IN_TOKENIZER)
        commands[made] = ["prepare-data", "quick", name, "--tokenizer", str(tokenizer)]
    for path, command in commands.items():
        if not path.exists():
            print(f"making {path}", flush=True)
            ssmpeft([*command, "--output", str(path)])


def measured(method: str, dataset: str, seed: int, results: Path) -> dict:
    """Run one cell; its scores on the test set and the CPU seconds of training and of evaluation."""
    run = open_run(Cell("quick", MODEL, method, dataset, seed), results)
    adapt_run(run)
    start = time.process_time()
    run.train()
    trained = time.process_time()
    run.score("val")
    run.score("test")
    end = time.process_time()
    return {"score": score(run), "among_labels": score(run, True), "train": trained - start, "evaluate": end - trained}


def score(run: Run, among_labels: bool = False) -> float:
    """Accuracy, also where the task's own score is another one; BLEU of generated text."""
    if run.task.generates:
        return run.scores["test"]["score"]
    answers = run.problem.among_labels["test"] if among_labels else run.answers["test"]
    examples = run.problem.splits["test"].examples
    return accuracy.score(answers, examples, "strict", run.task.labels)["accuracy"]


def all_cells(seeds: int) -> list[tuple[str, str, str, int]]:
    """Arm, method, data set and seed of every cell to run; what is not trained runs once."""
    arms = [(method, method, name) for method in ON_GLUE for name in GLUE]
    arms += [(RANDOM, LORA, name) for name in GLUE]
    arms += [(method, method, "dart") for method in ON_DART]
    return [(*arm, seed) for arm in arms for seed in range(1 if arm[1] == "pretrained" else seeds)]


def run_cells(cells: list[tuple[str, str, str, int]], pretrained: Path, random: Path) -> list[dict]:
    """Run every cell and show each as it ends."""
    rows = []
    for number, (arm, method, dataset, seed) in enumerate(cells, 1):
        row = measured(method, dataset, seed, random if arm == RANDOM else pretrained)
        rows.append({"arm": arm, "dataset": dataset, "seed": seed, **row})
        cost = row["train"] + row["evaluate"]
        print(
            f"{number:3}/{len(cells)} {arm:30} {dataset:10} seed {seed} {row['score']:6.1f} {cost:5.2f} s", flush=True
        )
    return rows


def means(rows: list[dict]) -> Table:
    """Averages over data sets and seeds, each data set counting the same."""
    table: Table = {"glue": {}, "dart": {}}
    for arm in dict.fromkeys(row["arm"] for row in rows):
        for part, names in (("glue", GLUE), ("dart", ["dart"])):
            found = [row for row in rows if row["arm"] == arm and row["dataset"] in names]
            if found:
                table[part][arm] = Means(*(mean_of(found, key) for key in ("score", "among_labels")))
    return table


def mean_of(rows: list[dict], key: str) -> float:
    """Mean over data sets of the mean over seeds."""
    by_dataset = {row["dataset"]: [] for row in rows}
    for row in rows:
        by_dataset[row["dataset"]].append(row[key])
    return statistics.mean(map(statistics.mean, by_dataset.values()))


def costs(rows: list[dict]) -> list[dict]:
    """Median CPU seconds a cell, by arm, and whether it is within its bound."""
    lines = []
    for part, names in (("glue", GLUE), ("dart", ["dart"])):
        for arm in dict.fromkeys(row["arm"] for row in rows if row["dataset"] in names):
            found = [row for row in rows if row["arm"] == arm and row["dataset"] in names]
            seconds = {key: statistics.median(row[key] for row in found) for key in ("train", "evaluate")}
            total = statistics.median(row["train"] + row["evaluate"] for row in found)
            lines.append({"data": part, "arm": arm, **seconds, "total": total, "met": total <= SECONDS[part]})
    return lines


def show(rows: list[dict], table: Table, bars: list[dict], cost: list[dict]) -> None:
    """Print the tables."""
    short = [name.removeprefix("glue-") for name in GLUE]
    print(f"\n{'accuracy':30}" + "".join(f"{name:>7}" for name in short) + "   mean  among labels")
    for arm, mean in table["glue"].items():
        by_task = (mean_of([r for r in rows if r["arm"] == arm and r["dataset"] == name], "score") for name in GLUE)
        print(
            f"{arm:30}" + "".join(f"{value:7.1f}" for value in by_task) + f"{mean.score:7.1f}{mean.among_labels:14.1f}"
        )
    for arm, mean in table["dart"].items():
        print(f"DART BLEU {arm:20} {mean.score:6.1f}")
    print()
    for bar in bars:
        print(f"{bar['what']:45} {bar['value']:7.2f}  {bar['asked']:6} {'met' if bar['met'] else 'MISSED'}")
    print()
    for line in cost:
        goal = f"<= {SECONDS[line['data']]:g} {'met' if line['met'] else 'MISSED'}"
        print(f"CPU seconds {line['data']:5} {line['arm']:30} {line['total']:5.2f}  {goal}")


def main() -> None:
    """Run every cell, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="where stand-in and data lie, or go")
    parser.add_argument("--seeds", type=int, default=3, help="of training (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "results/benchmarks/quick_signal.json")
    options = parser.parse_args()
    random = options.results / "benchmarks" / "random"
    prepare(options.results, [*GLUE, "dart"], steps=None)
    prepare(random, list(GLUE), steps=0)
    load = os.getloadavg()[0]
    rows = run_cells(all_cells(options.seeds), options.results, random)
    table, cost = means(rows), costs(rows)
    bars = [bar.judge(table) for bar in BARS]
    show(rows, table, bars, cost)
    about = json.loads(
        (options.results / paths.checkpoint_folder("quick", MODEL) / "model.json").read_text(encoding="utf-8")
    )
    written = {
        "made_by": environment() | {"load_before": load, "load_after": os.getloadavg()[0]},
        "stand_in": {key: about[key] for key in ("model", "parameters", "steps", "loss", "seconds")},
        "chance": round(CHANCE, 2),
        "bars": bars,
        "cpu_seconds": cost,
        "cells": rows,
    }
    write_json(options.output, written)
    print(f"\nwritten to {options.output}")


if __name__ == "__main__":
    main()
