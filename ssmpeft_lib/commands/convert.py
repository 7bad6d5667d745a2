"""Convert a checkpoint of state-spaces/mamba or mamba2 from its original format to transformers' format, or back.

SOURCE is the folder as downloaded (config.json and pytorch_model.bin or model.safetensors). TARGET is written whole or
not at all, in safetensors. Nothing in a pickle is run. With --back, SOURCE is a folder of transformers, such as that of
a merged model, and TARGET is what mamba_ssm's MambaLMHeadModel.from_pretrained loads.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `convert`."""
    parser.add_argument("source", type=Path, help="folder with the original checkpoint")
    parser.add_argument("target", type=Path, help="folder to write, new or empty")
    parser.add_argument("--back", action="store_true", help="from transformers' format to that of mamba_ssm")


def run(arguments: argparse.Namespace) -> None:
    """Convert."""
    from ..models._convert import convert
    from ..models._convert_back import convert_back

    print((convert_back if arguments.back else convert)(arguments.source, arguments.target))
