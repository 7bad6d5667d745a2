"""Print the whole book, without the pages of runs, as one PDF; needs Chromium and the playwright package."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `make-pdf`."""
    parser.add_argument("--pages", type=Path, required=True, help="the _toc.yml that make-pages wrote")
    parser.add_argument("--output", type=Path, required=True, help="the PDF to make")


def run(arguments: argparse.Namespace) -> None:
    """Build and print."""
    from ...book.pdf import make_pdf

    make_pdf(arguments.pages.parent, arguments.output)
