"""Let the doctor examine every placement of LoRA, by this library and by stock peft; writes the book's data file."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ...plan.results import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor-survey`."""
    parser.add_argument("--output", type=Path, default=Path("recorded/doctor.json"), help="default: %(default)s")


def run(arguments: argparse.Namespace) -> None:
    """Write the findings."""
    from ...checkup.report import TITLES
    from ...checkup.stand_ins import survey
    from ...training.provenance import environment

    found = []
    for entry in survey():
        logging.info("%s %s", entry["model"], entry["method"])
        found.append(entry)
    titles = {name: title.strip() for name, title in TITLES.items()}
    write_json(arguments.output, {"made_by": environment(), "titles": titles, "reports": found})
