"""Put the book's source together: prose, a page for each table and figure, and every executed notebook."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...plan.cell import SCALES
from ...plan.code import REACHES
from ...plan.registry import PACKAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `make-pages`."""
    parser.add_argument("--scale", required=True, choices=SCALES)
    parser.add_argument("--results", type=Path, default=Path("results"), help="the results directory")
    parser.add_argument("--prose", type=Path, default=PACKAGE.parent / "book", help="hand-written pages (%(default)s)")
    parser.add_argument(
        "--exhibits", type=Path, nargs="*", help="the joined exhibits to show (default: all of the scale)"
    )
    parser.add_argument("--code-reach", choices=REACHES, default="cell", help="what counts as the code of a result")
    parser.add_argument("--output", type=Path, required=True, help="the _toc.yml to write; the pages go beside it")


def run(arguments: argparse.Namespace) -> None:
    """Write the pages."""
    from ...book.pages import make_pages

    make_pages(
        arguments.scale,
        arguments.results,
        arguments.prose,
        arguments.output,
        arguments.exhibits,
        arguments.code_reach,
    )
