"""Pretrain a small model of scale real on encoded text; the same command goes on where a stopped one was.

The state is saved every five minutes, and when the process gets SIGTERM or Ctrl-C. Progress is printed every minute.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .encode_text import HELD_OUT, TOKENIZER, TRAINING

if TYPE_CHECKING:
    from ...stand_ins.pretrain_on_text import TextRun

STOPPED = 75
"""Exit status of a run that was stopped and can go on (EX_TEMPFAIL)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pretrain-on-text`."""
    add_run_arguments(parser)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that name a run."""
    parser.add_argument("model", help="a model whose facts have sizes at scale real, such as mamba-130m")
    parser.add_argument("--encoded", type=Path, required=True, help="what `encode-text` wrote")
    parser.add_argument("--state", type=Path, required=True, help="folder for the state of the run")
    parser.add_argument("--tokens", type=float, help="tokens to predict in all, in place of the model's own number")


def run(arguments: argparse.Namespace) -> int:
    """Pretrain to the end; the exit status says whether it was stopped before."""
    if open_run(arguments).run():
        return 0
    _print(f"stopped; the same command goes on from {arguments.state}")
    return STOPPED


def open_run(arguments: argparse.Namespace) -> TextRun:
    """Set up the run that the arguments name, without its state."""
    import torch
    from tokenizers import Tokenizer

    from ...stand_ins.encoded_text import EncodedText
    from ...stand_ins.pretrain_on_text import TextRun, sizes_and_recipe

    torch.set_num_threads(1)
    sizes, recipe = sizes_and_recipe(arguments.model)
    if arguments.tokens:
        recipe = replace(recipe, tokens=int(arguments.tokens))
    encoded = arguments.encoded
    vocabulary = Tokenizer.from_file(str(encoded / TOKENIZER)).get_vocab_size()
    text, held_out = (EncodedText.load(encoded / name) for name in (TRAINING, HELD_OUT))
    return TextRun(arguments.model, sizes, recipe, text, held_out, vocabulary, arguments.state, report=_print)


def _print(line: str) -> None:
    from datetime import datetime

    print(f"{datetime.now():%m-%d %H:%M} {line}", flush=True)
