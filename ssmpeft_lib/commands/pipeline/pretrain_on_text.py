"""Pretrain a small model of scale real on encoded text; the same command goes on where a stopped one was.

The state is saved every five minutes, and when the process gets SIGTERM or Ctrl-C. Progress is printed every minute.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from .encode_text import HELD_OUT, TOKENIZER, TRAINING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pretrain-on-text`."""
    parser.add_argument("model", help="a model whose facts have sizes at scale real, such as mamba-130m")
    parser.add_argument("--encoded", type=Path, required=True, help="what `encode-text` wrote")
    parser.add_argument("--tokens", type=float, help="tokens to predict in all, in place of the model's own number")
    parser.add_argument("--output", type=Path, required=True, help="folder for the state")


def run(arguments: argparse.Namespace) -> int:
    """Pretrain to the end; the exit status is 75 where the run was stopped before."""
    import torch
    from tokenizers import Tokenizer

    from ...stand_ins.encoded_text import EncodedText
    from ...stand_ins.pretrain_on_text import TextRun, sizes_and_recipe

    torch.set_num_threads(1)
    sizes, recipe = sizes_and_recipe(arguments.model)
    if arguments.tokens:
        recipe = replace(recipe, tokens=int(arguments.tokens))
    encoded = arguments.encoded
    tokenizer = Tokenizer.from_file(str(encoded / TOKENIZER))
    text, held_out = (EncodedText.load(encoded / name) for name in (TRAINING, HELD_OUT))
    vocabulary = tokenizer.get_vocab_size()
    run = TextRun(arguments.model, sizes, recipe, text, held_out, vocabulary, arguments.output, report=_print)
    if run.run():
        return 0
    _print(f"stopped; the same command goes on from {arguments.output}")
    return 75


def _print(line: str) -> None:
    from datetime import datetime

    print(f"{datetime.now():%m-%d %H:%M} {line}", flush=True)
