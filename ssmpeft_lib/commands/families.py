"""List the families of transformers' models with state space layers, and which of them adapters act in.

Looks at every language model of the installed transformers whose code has a state matrix, in its default sizes and
without weights. With --json, one JSON object.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `families`."""
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")


def run(arguments: argparse.Namespace) -> None:
    """Print the table."""
    import transformers

    from ..checkup.families import families

    transformers.logging.set_verbosity_error()
    found = sorted(families(), key=lambda family: (not family.supported, family.name))
    if arguments.json:
        print(json.dumps({family.name: asdict(family) | {"supported": family.supported} for family in found}))
        return
    for family in found:
        tried = "" if family.tried or not family.supported else "; not run by the tests"
        print(f"{family.name:18} {family.model:28} {family}{tried}")
