"""Time the pipeline itself: planning by number of cells, one cell from its start to its end, the book by its pages.

    python benchmarks/pipeline.py --output recorded/pipeline.json

Planning is a dry run of Snakemake, fresh and with every file there. A cell is run by the pipeline's own command on a
stand-in model, in turn with warm kernels and without; the times of its parts are those that its notebook records. The
book's pages are copies of one executed notebook. Seconds by the clock and CPU seconds, child processes included: where
other programs run beside it, as the load says, only the latter mean something. --only makes one part anew.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.exhibit import cells_of, load_exhibits
from ssmpeft_lib.plan.results import write_json
from ssmpeft_lib.plan.snakemake.workflow import Workflow
from ssmpeft_lib.training.provenance import cpu_name

ROOT = Path(__file__).resolve().parent.parent
SPECS = ROOT / "workflow" / "exhibits"
CELLS = (1_000, 10_000, 20_000)
BOOKS = ("table18", "table07", "all")
"""Exhibits whose cells make books of some ten, a hundred and fifty and four hundred pages of notebooks."""

CELL = "quick/mamba-130m/lora@out_proj/glue-rte/seed0"
CLIENT = [sys.executable, "-S", "-E", str(ROOT / "ssmpeft_lib" / "execute" / "forkserver" / "client.py")]
TRAINS, SAVES = "run.train(", "run.save("
"""What the notebook's cells that train and that write hold."""


def main() -> None:
    """Measure and write."""
    parts = {"planning": planning, "cell": cell, "book": book}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", choices=parts)
    parser.add_argument("--repeats", type=int, default=5, help="runs of a cell, for each way to start it")
    arguments = parser.parse_args()
    known = json.loads(arguments.output.read_text(encoding="utf-8")) if arguments.output.exists() else {}
    for name in [arguments.only] if arguments.only else parts:
        with tempfile.TemporaryDirectory() as scratch:
            rows = list(parts[name](Path(scratch), arguments.repeats))
        known[name] = {"machine": cpu_name(), "load": round(os.getloadavg()[0], 1), "rows": rows}
        for row in rows:
            print(name, row, flush=True)
        write_json(arguments.output, known)


def planning(scratch: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """Dry runs of many cells: seeds are what there is any number of."""
    one_seed = len(cells_of(load_exhibits(SPECS), "quick", range(1)))
    for wanted in CELLS:
        folder = scratch / str(wanted)
        folder.mkdir()
        # the schema allows a hundred seeds
        config = {"seeds": {"quick": max(1, round(wanted / one_seed)), "real": 1, "paper": 1}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        fresh = snakemake(folder, "-n")
        everything_there(folder)
        again = snakemake(folder, "-n")
        count = len(list((folder / "results" / "quick" / "cells").glob("*/*/*/*/metrics.json")))
        yield {"cells": count, "fresh": fresh, "nothing_to_do": again}


def everything_there(folder: Path) -> None:
    """Empty files for all that a configuration makes, in the order in which it would be made."""
    default = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    plan = Workflow(default | yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")), ROOT)
    first = {name for named in plan.exhibits.cells for name in (plan.cells.checkpoint(named), plan.cells.data(named))}
    tokenizers = {"results/quick/tokenizers/stand-in/tokenizer.json"}
    metrics = plan.exhibits.metrics_files
    notebooks = [name.replace("metrics.json", "cell.ipynb") for name in metrics]
    stages = (
        tokenizers | {"results/quick/cell.ipynb", "results/shares.json", "results/catalogue.json"},
        first,
        [*metrics, *notebooks],
        [*plan.exhibits.files, "results/errata.json"],
        ["results/quick/book/_toc.yml"],
        ["results/quick/html/index.html"],
    )
    start = time.time()
    for order, names in enumerate(stages):
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (start + order, start + order))


def cell(scratch: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """One cell, in turn with warm kernels and without."""
    (scratch / "config.yaml").write_text(yaml.safe_dump({"pretraining_steps": 20}), encoding="utf-8")
    named = Cell.parse(CELL)
    targets = ["cell.ipynb", f"models/{named.model}/model.json", f"data/stand-in/{named.dataset}.json"]
    snakemake(scratch, "--cores", "all", *(f"results/quick/{target}" for target in targets))
    runs: dict[str, list[dict[str, float]]] = {"warm": [], "plain": []}
    run_cell(scratch, "warm")
    for _ in range(repeats):
        for way, found in runs.items():
            found.append(run_cell(scratch, way))
    for way, found in runs.items():
        medians = {part: round(statistics.median(run[part] for run in found), 3) for part in found[0]}
        yield {"cell": CELL, "start": way, "repeats": repeats, **medians}


def run_cell(scratch: Path, way: str) -> dict[str, float]:
    """Seconds from the start of the command to the first step, of training, of scoring, and of writing the rest."""
    output = scratch / "out" / "cell.ipynb"
    shutil.rmtree(output.parent, ignore_errors=True)
    places = ["--notebook", str(scratch / "results" / "quick" / "cell.ipynb"), "--output", str(output)]
    environment = os.environ | {"SSMPEFT_WARM": str(int(way == "warm"))}
    start = time.time()
    subprocess.run([*CLIENT, "run-cell", CELL, *places], cwd=scratch, env=environment, check=True)
    end = time.time()
    executed = json.loads(output.read_text(encoding="utf-8"))["cells"]
    trains, saves = (next(_times(c) for c in executed if said in "".join(c["source"])) for said in (TRAINS, SAVES))
    return {
        "start_up": trains[0] - start,
        "training": trains[1] - trains[0],
        "scoring": saves[0] - trains[1],
        "writing": end - saves[0],
    }


def book(scratch: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """Pages of notebooks, all copies of one that was executed."""
    next(cell(scratch, 1))
    for chosen in BOOKS:
        exhibits = load_exhibits(SPECS, "all" if chosen == "all" else [chosen])
        folder = scratch / f"book-{chosen}"
        cells = cells_of(exhibits, "quick", range(1))
        for one in cells:
            copy_result(scratch / "out", folder / "results" / one.path, one)
        write_json(folder / "config.json", {"cells": "existing", "exhibits": [exhibit.id for exhibit in exhibits]})
        snakemake(folder, "--cores", "all", "exhibits", "results/errata.json", config="config.json")
        pages = timed([*CLIENT, "make-pages", "--scale", "quick", "--output", "results/quick/book/_toc.yml"], folder)
        made = ["--pages", "results/quick/book/_toc.yml", "--output", "results/quick/html/index.html"]
        html = timed([*CLIENT, "make-html", *made], folder)
        yield {"notebooks": len(cells), "pages": pages, "html": html}


def copy_result(source: Path, target: Path, name: Cell) -> None:
    """The result of one cell under the name of another."""
    target.mkdir(parents=True)
    shutil.copy(source / "cell.ipynb", target)
    shutil.copy(source / "predictions.jsonl", target)
    write_json(
        target / "metrics.json", json.loads((source / "metrics.json").read_text(encoding="utf-8")) | {"cell": str(name)}
    )


def snakemake(folder: Path, *arguments: str, config: str = "config.yaml") -> dict[str, float]:
    """Run Snakemake in a folder; what it took."""
    places = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(folder / config)]
    profile = ["--workflow-profile", str(ROOT / "profiles" / "default")]
    return timed([sys.executable, "-m", "snakemake", *places, *profile, *arguments], folder)


def timed(command: list[str], folder: Path) -> dict[str, float]:
    """Seconds, CPU seconds of the process and its children, and its own peak memory."""
    start = time.perf_counter()
    # commands of the library run plainly, or their work would be done elsewhere
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | {"SSMPEFT_WARM": "0"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}\n{errors.decode()[-3000:]}")
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "memory_mb": round(usage.ru_maxrss / 1024),
    }


def _times(notebook_cell: dict[str, Any]) -> tuple[float, float]:
    recorded = notebook_cell["metadata"]["papermill"]
    return tuple(datetime.fromisoformat(recorded[key]).timestamp() for key in ("start_time", "end_time"))


if __name__ == "__main__":
    main()
