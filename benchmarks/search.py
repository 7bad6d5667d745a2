"""Measure what sixteen learning rates side by side cost against one: `python benchmarks/search.py --results DIR`.

Both are whole searches as `search-rates` makes them (one epoch of a miniature, then its validation set), each in a
process of its own, by turns; DIR is a results directory in which `make book` has prepared the model and the data. The
times are the processes' own, on one thread: of the search alone, and of the process with interpreter and imports.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

RATES = [1e-2 / 2**k for k in range(16)]
"""None that diverges, so that all do the same work."""

LINES = {
    "lora": ("lora@linear", 16),
    "sdlora": ("sdlora", 16),
    "bitfit": ("bitfit", 16),
    "lora, the paper's batch of 4": ("lora@linear", 4),
}
GOAL = 4.0
OUTPUT = Path("results/benchmarks/search.json")
TARGET = "quick/mamba-130m/{}/glue-sst2/seed0"


def measure(method: str, batch: int, count: int, results: Path) -> dict:
    """Seconds of this process so far and of a search in it."""
    import torch

    from ssmpeft_lib.plan.cell import Cell
    from ssmpeft_lib.runs.open import open_run
    from ssmpeft_lib.runs.rate_search import Search

    torch.set_num_threads(1)
    cell = Cell.parse(TARGET.format(method))
    # so that what is imported on first use counts with the imports
    open_run(cell, results)
    search = Search(cell, results, {"batch_size": batch}, to_the_end=True)
    start = time.process_time()
    entries = search.side_by_side(RATES[:count]) if count > 1 else search.one_by_one(RATES[:1])
    end = time.process_time()
    if search.note or any(entry["status"] != "ok" for entry in entries):
        raise RuntimeError(f"{method}: {search.note or entries}")
    return {"search": end - start, "process": end, "protocol": search.protocol}


def in_process(method: str, batch: int, count: int, results: Path) -> dict:
    """What a process of its own measures."""
    command = [sys.executable, __file__, "--results", str(results), "--measure", method, str(batch), str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compared(method: str, batch: int, rounds: int, results: Path) -> dict:
    """Medians of both sides and of the ratios of the rounds."""
    load = os.getloadavg()[0]
    pairs = [[in_process(method, batch, count, results) for count in (1, len(RATES))] for _ in range(rounds)]
    row = {"method": method, "batch_size": batch, "rates": len(RATES), "rounds": rounds, "load_before": load}
    row["protocol"] = pairs[0][0]["protocol"]
    for what in ("search", "process"):
        ratios = [many[what] / one[what] for one, many in pairs]
        row[what] = {
            "one_seconds": round(statistics.median(one[what] for one, _ in pairs), 3),
            "all_seconds": round(statistics.median(many[what] for _, many in pairs), 3),
            "ratio": round(statistics.median(ratios), 3),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "goal": f"<= {GOAL:g}",
            "met": statistics.median(ratios) <= GOAL,
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"), help="where models and data lie")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        method, batch, count = options.measure
        print(json.dumps(measure(method, int(batch), int(count), options.results)))
        return
    from ssmpeft_lib.plan.results import write_json
    from ssmpeft_lib.training.provenance import environment

    rows = {}
    for name, (method, batch) in LINES.items():
        rows[name] = compared(method, batch, options.rounds, options.results)
        for what in ("search", "process"):
            row = rows[name][what]
            print(
                f"{name:30} {what:8} {row['one_seconds']:7.2f} s -> {row['all_seconds']:7.2f} s: {row['ratio']:.2f} x"
            )
    write_json(options.output, {"made_by": environment(), "clock": "process", "threads": 1, "lines": rows})


if __name__ == "__main__":
    main()
