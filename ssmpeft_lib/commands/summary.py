"""Say what ran, where the time went, what failed and where the book is; end with an error if any cell failed."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..plan.cell import SCALES
from ..plan.costs import PARTS
from ..plan.paths import all_metrics
from ..plan.reading import read_json
from ..plan.results import FORGET, describe_failure, printable, read_metrics

SHOWN = 3
"""Cells that a line names."""

STAGES = {
    "tokenizer": "tokenizers",
    "checkpoint": "checkpoints",
    "data": "data sets",
    "pages": "pages of the book",
    "html": "the book",
}
"""Rules that Snakemake times, by the folder or file of `benchmarks/` they write, in the order of the pipeline."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `summary`."""
    parser.add_argument("--scale", required=True, choices=SCALES)
    parser.add_argument("--results", type=Path, default=Path("results"))


def run(arguments: argparse.Namespace) -> int:
    """Print the summary."""
    root = arguments.results / arguments.scale
    metrics = [read_metrics(path) for path in all_metrics(arguments.results, arguments.scale)]
    failed = [found for found in metrics if found["status"] == "failed"]
    print("Work done, in seconds added up over parallel jobs, each job when it last ran:")
    for stage, jobs, seconds in (*budget_of_rules(root / "benchmarks"), *budget_of_cells(metrics)):
        print(f"  {stage:30} {jobs:>6,} jobs {seconds:>12,.1f} s")
    print(f"{len(metrics) - len(failed):,} of {len(metrics):,} cells ran.")
    if same := [found["cell"] for found in metrics if constant(found)]:
        more = f" and {len(same) - SHOWN:,} more" if len(same) > SHOWN else ""
        print(f"{len(same):,} cells gave all test examples one answer: {', '.join(same[:SHOWN])}{more}")
    for path in sorted(root.glob("data/*/*.json")):
        for text in read_json(path).get("warnings", []):
            print(f"warning: {path.stem}: {printable(text)}")
    notes = Counter(note for found in metrics for note in found.get("test", {}).get("note", {}).values())
    for note, times in sorted(notes.items()) if arguments.scale != "quick" else ():
        print(f"warning: {note}: {times:,} cells")
    for found in failed:
        print(describe_failure(found))
    if failed:
        print(FORGET)
    book = root / "html" / "index.html"
    if book.exists():
        print(f"The book: {book.resolve()}")
    return 1 if failed else 0


def constant(metrics: dict) -> bool:
    """Whether a cell answered every example of its test set alike."""
    scores = metrics.get("test", {})
    return scores.get("n", 0) > 1 and scores.get("answers", {}).get("distinct") == 1


def budget_of_rules(folder: Path) -> Iterator[tuple[str, int, float]]:
    """Stage, jobs and seconds, from the tables that Snakemake's `benchmark:` wrote."""
    for name, stage in STAGES.items():
        tables = [*folder.glob(f"{name}.tsv"), *folder.glob(f"{name}/*.tsv")]
        if tables:
            yield stage, len(tables), sum(map(_seconds, tables))


def budget_of_cells(metrics: list[dict]) -> Iterator[tuple[str, int, float]]:
    """Stage, cells and seconds, from what cells say of themselves."""
    for name, stage in PARTS.items():
        spent = [found["cost"][key] for found in metrics if (key := f"{name}_seconds") in found.get("cost", {})]
        if spent:
            yield f"cells: {stage}", len(spent), sum(spent)


def _seconds(table: Path) -> float:
    head, *rows = (line.split("\t") for line in table.read_text(encoding="utf-8").splitlines())
    return sum(float(row[head.index("s")]) for row in rows)
