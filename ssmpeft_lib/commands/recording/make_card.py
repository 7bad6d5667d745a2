"""Draw book/_static/card.png, the picture that other sites show for a link to the book; needs Chromium."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `make-card`."""
    parser.add_argument(
        "--exhibit", type=Path, default=Path("workflow/exhibits/table08.yaml"), help="whose printed numbers"
    )
    parser.add_argument("--shares", type=Path, default=Path("results/shares.json"), help="the counted parameters")
    parser.add_argument("--book", type=Path, default=Path("book"))
    parser.add_argument("--output", type=Path, default=Path("book/_static/card.png"))


def run(arguments: argparse.Namespace) -> None:
    """Draw the card."""
    from ...book.card import make_card

    shares = json.loads(arguments.shares.read_text(encoding="utf-8"))
    make_card(arguments.exhibit, shares, arguments.book, arguments.output)
