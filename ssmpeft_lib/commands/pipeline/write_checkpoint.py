"""Measure a model that `pretrain-on-text` has finished and write it as a folder that transformers loads by itself."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .encode_text import TOKENIZER
from .pretrain_on_text import add_run_arguments, open_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `write-checkpoint`."""
    add_run_arguments(parser)
    parser.add_argument("--ngrams", type=Path, required=True, help="what `score-ngrams` wrote")
    parser.add_argument("--text", type=Path, required=True, help="the folder of text; its README.md goes along")
    parser.add_argument("--output", type=Path, required=True, help="model.json; the rest goes beside it")


def run(arguments: argparse.Namespace) -> None:
    """Write the checkpoint, model.json last."""
    from tokenizers import Tokenizer

    from ...stand_ins.text_checkpoint import write_checkpoint

    run = open_run(arguments)
    run.resume()
    tokenizer = Tokenizer.from_file(str(arguments.encoded / TOKENIZER))
    ngrams = json.loads(arguments.ngrams.read_text(encoding="utf-8"))
    write_checkpoint(run, tokenizer, ngrams, arguments.text, arguments.output.parent)
