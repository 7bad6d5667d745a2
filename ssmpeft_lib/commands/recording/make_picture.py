"""Take the README's picture of a page of the book; needs Chromium and the playwright package."""

from __future__ import annotations

import argparse
from pathlib import Path

WIDTH, HEIGHT = 1400, 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `make-picture`."""
    page, picture = Path("results/quick/html/exhibits/table08.html"), Path("book/_static/table08.png")
    parser.add_argument("--page", type=Path, default=page, help="a page that is built (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=picture, help="the PNG to make (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Open the page and take the picture."""
    from ...book.chromium import opened

    if not arguments.page.exists():
        raise FileNotFoundError(f"{arguments.page} is missing; make the book first")
    with opened(WIDTH, HEIGHT) as browser:
        browser.goto(arguments.page.resolve().as_uri())
        browser.evaluate("document.fonts.ready")
        browser.screenshot(path=str(arguments.output))
