"""Answer the questions of workflow/questions.yaml from the recorded results of scale real.

The answers fill the page "What small models on real text say". Nothing is trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from ...plan.archive import unpack
from ...plan.config import Config
from ...plan.exhibit import load_exhibits
from ...plan.registry import PACKAGE
from ...plan.results import write_json

WORKFLOW = PACKAGE.parent / "workflow"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `answers`."""
    parser.add_argument("archive", type=Path, help="what `pack` wrote, such as recorded/real.tar.gz")
    parser.add_argument(
        "--config", type=Path, default=WORKFLOW / "configs" / "real.yaml", help="(default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")


def run(arguments: argparse.Namespace) -> None:
    """Write the answers and print their verdicts."""
    from ...compare.questions import Runs, answered, load_questions

    # nothing is read from the data folder here, which the scale asks for
    config = Config.load(arguments.config, data_dir=arguments.archive.parent)
    exhibits = WORKFLOW / "exhibits"
    planned = [cell for cell in config.every_cell(load_exhibits(exhibits, config.exhibits)) if config.wants(cell)]
    with TemporaryDirectory() as scratch:
        cells = unpack(arguments.archive, Path(scratch))
        questions = answered(load_questions(WORKFLOW / "questions.yaml"), Runs(Path(scratch), planned), exhibits)
    seeds = len(config.seeds)
    write_json(arguments.output, {"cells": len(cells), "seeds": seeds, "questions": questions})
    for question in questions:
        for answer in question["answers"]:
            label = f" ({answer['label']})" if answer["label"] else ""
            print(f"{question['number']}. {question['asks']}{label} {answer.get('verdict', 'not run yet')}")
