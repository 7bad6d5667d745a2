"""Test on a small trained Mamba what the formal statements predict, and write all runs to a file.

It takes the stand-in of Mamba-130M and the miniature of DART that the pipeline prepared at scale quick, and about
8 minutes of one core for 5 seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `practice`."""
    parser.add_argument("--results", type=Path, default=Path("results"), help="where model and data lie")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--seeds", type=int, default=5, help="number of runs (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=100, help="of every training (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Run both experiments; the file is written after each seed."""
    from time import process_time

    import torch

    from ...plan.results import write_json
    from ...theory import practice
    from ...training import provenance

    torch.set_num_threads(1)
    stage = practice.Stage.open(arguments.results)
    found: dict[str, list] = {"copied": [], "starts": [], "imitation": []}
    setting = {"model": practice.MODEL, "data": practice.DATASET, "scale": practice.SCALE, "steps": arguments.steps}
    for seed in range(arguments.seeds):
        found["copied"].append({"seed": seed, **practice.copied_prefix(stage, seed, steps=arguments.steps)})
        found["starts"] += practice.run_starts(stage, seed, arguments.steps)
        found["imitation"] += practice.run_imitation(stage, seed, arguments.steps)
        cost = {"cpu_seconds": round(process_time(), 1), "made_by": provenance.environment()}
        write_json(arguments.output, {"setting": setting, **found, **cost})
