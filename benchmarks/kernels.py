"""Measure the kernels against their peers: `python benchmarks/kernels.py` writes results/benchmarks/kernels.json.

Each line runs in a process of its own, with its threads and allocator set, and both of its sides in turns there. Lines
that need no setting of their own run in forks of this process, which has loaded the libraries.
`--only` picks lines by name; the others keep what an earlier run wrote. Each line says when it was measured, and at
which commit.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import kernel_decoding
import kernel_ops
import kernel_steps
import paired
from filelock import FileLock

from ssmpeft_lib.ops import backends
from ssmpeft_lib.plan.results import write_json
from ssmpeft_lib.training.provenance import environment

LINES = {**kernel_decoding.LINES, **kernel_ops.LINES, **kernel_steps.LINES}
OUTPUT = Path("results/benchmarks/kernels.json")


def in_process(name: str, rounds: int, variant: str = "") -> dict:
    """What a process of its own measures of a line."""
    if not variant and paired.variables(LINES[name]) == paired.variables(paired.Line("", tuple)):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
            return pool.submit(measured_here, name, rounds).result()
    command = [sys.executable, __file__, "--measure", name, "--rounds", str(rounds), "--variant", variant]
    result = subprocess.run(
        command,
        env={**os.environ, **paired.variables(LINES[name])},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return json.loads(result.stdout.splitlines()[-1])


def measured_here(name: str, rounds: int, variant: str = "") -> dict:
    """What this process measures of a line."""
    line = LINES[name]
    return {"peak": paired.peak(line, variant)} if variant else paired.times(line, rounds)


def measure(name: str, most_rounds: int) -> dict:
    """One line of the table."""
    line = LINES[name]
    obstacle = line.obstacle()
    if obstacle:
        return {"what": line.what, "goal": line.goal, "skipped": obstacle}
    rounds = min(line.rounds, most_rounds)
    load = os.getloadavg()[0]
    if line.memory:
        variants = ("ours", "mambapy")
        measured = {variant: [in_process(name, 1, variant)["peak"] for _ in range(rounds)] for variant in variants}
    else:
        measured = in_process(name, rounds)
    return paired.summary(line, measured) | {"load_before": load}


def shown(name: str, row: dict) -> str:
    if "skipped" in row:
        return f"{name:26} skipped: {row['skipped']}"
    low, high = row["ratio"]["quartiles"]
    verdict = {True: "met", False: "MISSED", None: ""}[row["met"]]
    medians = ", ".join(f"{variant} {value:.4g} {row['unit']}" for variant, value in row["medians"].items())
    return f"{name:26} {row['ratio']['median']:8.3g} [{low:.3g}, {high:.3g}] {row['goal']:9} {verdict:7} {medians}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="regular expression: lines to measure")
    parser.add_argument("--rounds", type=int, default=1000, help="at most so many rounds a line")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--measure", choices=LINES, help=argparse.SUPPRESS)
    parser.add_argument("--variant", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured_here(options.measure, options.rounds, options.variant)))
        return
    os.environ.update(paired.variables(paired.Line("", tuple)))
    for module in ("mamba", "mamba2"):
        importlib.import_module(f"transformers.models.{module}.modeling_{module}")
    made_by = environment() | {"backends": {name: state.detail for name, state in backends().items()}}
    for name in LINES:
        if re.search(options.only, name):
            row = measure(name, options.rounds)
            print(shown(name, row), flush=True)
            add(options.output, made_by, name, row)


def add(output: Path, made_by: dict, name: str, row: dict) -> None:
    """Put a line into the file, among those of this and of other runs on the same machine."""
    row |= {"commit": made_by.get("commit", ""), "time": datetime.now(UTC).isoformat(timespec="seconds")}
    output.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(output.with_suffix(".lock")):
        rows = json.loads(output.read_text(encoding="utf-8"))["lines"] if output.exists() else {}
        rows[name] = row
        write_json(output, {"made_by": made_by, "lines": {name: rows[name] for name in LINES if name in rows}})


if __name__ == "__main__":
    main()
