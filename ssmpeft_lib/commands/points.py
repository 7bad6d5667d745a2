"""Print every number of the paper's tables with the cells that reproduce it, one JSON object a line.

Keys: exhibit, row, column, printed (the number, or null), std, bound, mark (cut or reconstructed where the source
text lost digits), lost (how far above it the number may lie, digits being lost), metric (a path into metrics.json),
better, and cells (their names at the chosen scale).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..plan.cell import SCALES
from ..plan.config import CONFIG_FILE, Config
from ..plan.costs import SPECS
from ..plan.exhibit import load_exhibits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `points`."""
    parser.add_argument("--exhibit", action="append", help="only this table or figure, e.g. table08; may be repeated")
    parser.add_argument("--scale", choices=SCALES, help="instead of the scale in config.yaml")
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="configuration file (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Print the points."""
    config = Config.load(arguments.config, arguments.scale)
    for exhibit in load_exhibits(SPECS, arguments.exhibit or config.exhibits):
        for point in exhibit.points:
            printed = point.printed
            print(
                json.dumps(
                    {
                        "exhibit": point.exhibit,
                        "row": point.row,
                        "column": point.column,
                        "printed": printed.value if printed else None,
                        "std": printed.std if printed else None,
                        "bound": bool(printed and printed.bound),
                        "mark": printed.mark if printed else "",
                        "lost": printed.lost(point.digits) if printed else 0.0,
                        "metric": point.metric,
                        "better": point.better,
                        "cells": [str(cell) for cell in point.cells(config.scale, config.seeds)],
                    },
                    ensure_ascii=False,
                )
            )
