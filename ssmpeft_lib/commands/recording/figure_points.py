"""Take the points of Figures 1 and 2 from the recorded runs of the regression, for the pages of the figures."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...plan.registry import PACKAGE

RUNS = "fresh_sequences"
SETTING = "one new sequence in each of {steps} iterations, where the authors' script draws 4,000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `figure-points`."""
    default = PACKAGE.parent / "recorded" / "exhibits"
    parser.add_argument("--output", type=Path, default=default, help="folder of the files (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Write one file for each figure."""
    import json

    from ...compare.regression_runs import RECORDED, figures, points, recorded
    from ...plan.results import write_json

    made = json.loads((RECORDED / f"{RUNS}.json").read_text(encoding="utf-8"))
    about = {
        "setting": SETTING.format(steps=made["setting"]["steps"]),
        "runs": f"recorded/regression/{RUNS}.csv",
        "seeds": len(made["setting"]["seeds"]),
        "made_by": made["made_by"],
    }
    for figure in figures():
        write_json(arguments.output / f"{figure.id}.json", about | {"points": points(figure, recorded(RUNS))})
