"""Examine what a method does to a model: does every tensor train, do all paths compute the same?

MODEL is a name such as mamba-130m, a folder or config.json of transformers, or a family such as bamba. Runs on a small
model of its kind with random weights; the fused kernels of mamba_ssm are simulated on the CPU. Prints a table on
standard error and one JSON object on standard output. ssmpeft_lib.doctor(model) examines one in memory, as it is.
"""

from __future__ import annotations

import argparse
import json
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor`."""
    parser.add_argument("model", help="for example mamba-130m, ./my-checkpoint or bamba")
    parser.add_argument("method", help="for example lora@dt_proj")
    parser.add_argument("--stock-peft", action="store_true", help="adapt with peft's own tuner instead of this library")
    parser.add_argument("--strict", action="store_true", help="exit with status 1 when something is wrong")


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    from ..checkup.stand_ins import examine

    report = examine(arguments.model, arguments.method, arguments.stock_peft)
    print(report, file=sys.stderr)
    print(json.dumps(report.as_dict()))
    return int(arguments.strict and not report.healthy)
