"""Count the parameters that a method trains on one of the paper's models; prints one JSON object.

Nothing is downloaded and no weight is made. Keys: model, method, trainable, total (a tied embedding once), for methods
with a warm-up total_with_warmup, and trainable_pct, the share as the paper prints it.
"""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `params`."""
    parser.add_argument("model", help="for example mamba-130m")
    parser.add_argument("method", help="for example lora@out_proj or sdlora,freeze_states=0.9")


def run(arguments: argparse.Namespace) -> None:
    """Print the counts."""
    from ..adapters.count import params

    print(json.dumps(params(arguments.model, arguments.method)))
