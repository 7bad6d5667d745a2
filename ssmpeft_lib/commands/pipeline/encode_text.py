"""Train a byte-level BPE tokenizer on a folder of text and encode the folder with it, for `pretrain-on-text`.

The folder holds .txt or .txt.xz files in UTF-8. A line `<|endoftext|>` ends each document. `valid.txt` or
`valid.txt.xz` holds about 1 % of the documents, which nothing is trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...plan.atomic import replacing

TOKENIZER, TRAINING, HELD_OUT = "tokenizer.json", "training.npz", "held_out.npz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `encode-text`."""
    parser.add_argument("text", type=Path, help="the folder of text")
    parser.add_argument("--vocabulary", type=int, default=8192, help="number of tokens (default: 8192)")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tokenizer and the encoded text")


def run(arguments: argparse.Namespace) -> None:
    """Write tokenizer.json, held_out.npz and, last, training.npz."""
    from ...stand_ins import encoded_text

    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    print(f"training a tokenizer of {arguments.vocabulary:,} tokens on {arguments.text} (minutes)", flush=True)
    tokenizer = encoded_text.train_tokenizer(arguments.text, arguments.vocabulary)
    with replacing(folder / TOKENIZER) as draft:
        tokenizer.save(str(draft))
    for name, encode in ((HELD_OUT, encoded_text.encode_held_out), (TRAINING, encoded_text.encode_training)):
        encoded = encode(arguments.text, tokenizer)
        with replacing(folder / name) as draft:
            encoded.save(draft)
        print(
            f"{name}: {len(encoded.ends):,} documents, {encoded.size / 1e6:.1f} MB, {len(encoded.tokens):,} tokens",
            flush=True,
        )
