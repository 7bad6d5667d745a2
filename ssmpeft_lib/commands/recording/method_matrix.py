"""Try every method on every family in every way that an adapter is used; writes the book's data file.

Each on the smallest model of its family with random weights: forward, training, gradient checkpointing, bfloat16,
generation, saving, merging, through peft, and the doctor. Prints one line for each method and family. Status 1 when
something is wrong; what is refused in words is not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...plan.results import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `method-matrix`."""
    parser.add_argument(
        "--methods", nargs="*", default=[], help="method strings; default: all, in the size of the models"
    )
    parser.add_argument("--families", nargs="*", default=[], help="such as Mamba2 and Jamba; default: all")
    parser.add_argument("--output", type=Path, help="file to write, such as recorded/method_matrix.json")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings, and write them."""
    import transformers

    from ...checkup.matrix import FIELDS, survey
    from ...checkup.tiny import SIZES
    from ...plan.unknown import unknown
    from ...training.provenance import environment

    for family in arguments.families:
        if family not in SIZES:
            raise LookupError(unknown("family", family, SIZES, "ssmpeft_lib/checkup/tiny.py"))
    transformers.logging.set_verbosity_error()
    found = []
    for entry in survey(tuple(arguments.families) or tuple(SIZES), tuple(arguments.methods)):
        words = (f"{name} {_word(field['ok'])}" for name, field in entry["fields"].items())
        print(f"{entry['method']:50} {entry['family']:18} {', '.join(words)}", flush=True)
        for name, field in entry["fields"].items():
            if field["ok"] is False:
                print(f"  WRONG {name}: {field['found']}", flush=True)
        found.append(entry)
    if arguments.output:
        write_json(arguments.output, {"made_by": environment(), "fields": FIELDS, "entries": found})
    return int(any(field["ok"] is False for entry in found for field in entry["fields"].values()))


def _word(ok: bool | None) -> str:
    return {True: "ok", None: "refused", False: "WRONG"}[ok]
