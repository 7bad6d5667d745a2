"""Build the book's pages with Jupyter Book; warnings are errors, nothing is executed, nothing is fetched."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `make-html`."""
    parser.add_argument("--pages", type=Path, required=True, help="the _toc.yml that make-pages wrote")
    parser.add_argument(
        "--output", type=Path, required=True, help="the index.html to make; the book replaces its folder"
    )


def run(arguments: argparse.Namespace) -> None:
    """Build and put in place."""
    from ...book.jupyter_book import make_html

    make_html(arguments.pages.parent, arguments.output.parent)
