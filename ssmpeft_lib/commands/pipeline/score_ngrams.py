"""Train a 5-gram model with Kneser-Ney smoothing on encoded text and measure its bits per byte on held-out text."""

from __future__ import annotations

import argparse
from pathlib import Path

from .encode_text import HELD_OUT, TOKENIZER, TRAINING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `score-ngrams`."""
    parser.add_argument("--encoded", type=Path, required=True, help="what `encode-text` wrote")
    parser.add_argument("--output", type=Path, required=True, help="a JSON file")


def run(arguments: argparse.Namespace) -> None:
    """Write the scores."""
    from tokenizers import Tokenizer

    from ...plan.results import write_json
    from ...stand_ins.encoded_text import EncodedText
    from ...stand_ins.ngrams import ORDER, KneserNey

    encoded = arguments.encoded
    text, held_out = (EncodedText.load(encoded / name) for name in (TRAINING, HELD_OUT))
    vocabulary = Tokenizer.from_file(str(encoded / TOKENIZER)).get_vocab_size()
    model = KneserNey(text.tokens, vocabulary, ORDER)
    score = model.bits(held_out) / held_out.size
    print(f"{ORDER}-gram model: {score:.3f} bits per byte of held-out text")
    write_json(
        arguments.output,
        {
            "order": ORDER,
            "smoothing": "modified Kneser-Ney",
            "n_grams": [len(order.keys) for order in model.orders],
            "bits_per_byte": round(score, 4),
        },
    )
