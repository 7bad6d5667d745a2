"""Pretrain the deep S4 of Table 4 on images, adapt it with each method, and write all accuracies to a file.

Without --data-dir the images are scikit-learn's digits, which only stand in for CIFAR-10.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `classification`."""
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--data-dir", type=Path, help="folder with the original files of CIFAR-10")
    parser.add_argument("--seeds", type=int, default=3, help="number of runs (default: %(default)s)")
    parser.add_argument("--pretrain-epochs", type=int, default=50, help="default: %(default)s, as in the paper")
    parser.add_argument("--epochs", type=int, default=5, help="of adapting; default: %(default)s, as in the paper")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Run all rows of the table."""
    import torch

    from .. import provenance
    from ..plan.results import write_json
    from ..theory.classification import run_table
    from ..theory.pixels import load_pixels

    torch.set_num_threads(arguments.threads)
    data = load_pixels(arguments.data_dir)
    document = {
        "data": data.name,
        "stand_in": data.stand_in,
        "pretrain_epochs": arguments.pretrain_epochs,
        "epochs": arguments.epochs,
        "runs": [],
    }
    for seed in range(arguments.seeds):
        document["runs"] += run_table(data, seed, arguments.pretrain_epochs, arguments.epochs)
        write_json(arguments.output, document | {"made_by": provenance.environment()})
