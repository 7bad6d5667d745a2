"""Convert a checkpoint of state-spaces/mamba or mamba2 from its original format to transformers' format.

SOURCE is the folder as downloaded (config.json and pytorch_model.bin or model.safetensors). TARGET is written whole or
not at all, in safetensors. Nothing in a pickle is run.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `convert`."""
    parser.add_argument("source", type=Path, help="folder with the original checkpoint")
    parser.add_argument("target", type=Path, help="folder to write, new or empty")


def run(arguments: argparse.Namespace) -> None:
    """Convert."""
    from ..models._convert import convert

    print(convert(arguments.source, arguments.target))
