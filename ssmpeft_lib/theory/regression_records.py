"""Runs of the synthetic regression on disk: a CSV file with one run a line, and a JSON file on how it was made."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from io import StringIO
from math import isfinite
from pathlib import Path
from time import process_time
from typing import Any

from ..plan.atomic import write_text
from ..plan.results import write_json
from ..training import provenance
from .regression import STEPS, Arm, Data, run_grid

RECORDED = Path(__file__).resolve().parent.parent.parent / "recorded" / "regression"
"""Runs that come with the repository."""

RECORDS_VERSION = 1


def run_to_file(path: Path, seeds: Sequence[int], arms: Sequence[Arm], data: Data, steps: int = STEPS) -> None:
    """Run all arms on all seeds. Both files are written after each arm; arms that are there are not run again.

    Args:
        path: the CSV file; the JSON file lies beside it.
    Raises:
        ValueError: the files hold runs of other seeds, data, steps or of another version.
    """
    setting = {"version": RECORDS_VERSION, "seeds": list(seeds), "sequences": data.sequences}
    setting |= {"resample": data.resample, "steps": steps}
    about = path.with_suffix(".json")
    made = json.loads(about.read_text(encoding="utf-8")) if about.exists() else {"setting": setting, "cpu_seconds": 0}
    if made["setting"] != setting:
        raise ValueError(f"{about}: holds runs of {made['setting']}, asked for {setting}; choose another file")
    runs = read_runs(path) if path.exists() else []
    done = {Arm(**{name: run[name] for name in Arm.__dataclass_fields__}) for run in runs}
    for arm in (arm for arm in arms if arm not in done):
        start = process_time()
        runs += run_grid(seeds, [arm], data, steps)
        made["cpu_seconds"] = round(made["cpu_seconds"] + process_time() - start, 1)
        write_text(path, _as_csv(runs))
        write_json(about, made | {"made_by": provenance.environment()})


def read_runs(path: Path) -> list[dict[str, Any]]:
    """The runs of a CSV file, one dictionary each; an error that is not finite is infinity."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(file)]


def recorded(name: str) -> list[dict[str, Any]]:
    """Runs that come with the repository, `one_sequence` or `fresh_sequences`."""
    return read_runs(RECORDED / f"{name}.csv")


def about(*names: str) -> list[list[str]]:
    """How recorded runs were made, one row each: what, how many runs, processor time, machine, commit."""
    rows = []
    for name in names:
        made = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
        by = made["made_by"]
        minutes = f"{made['cpu_seconds'] / 60:.0f} minutes of one core"
        rows.append([name.replace("_", " "), f"{len(recorded(name))} runs", minutes, by["device"], by["commit"]])
    return rows


def _as_csv(runs: Sequence[dict[str, Any]]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, list(runs[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _text(value) for name, value in run.items()} for run in runs)
    return text.getvalue()


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if isfinite(value) else "inf"
    return str(value)


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text == "True" if text in ("True", "False") else text
