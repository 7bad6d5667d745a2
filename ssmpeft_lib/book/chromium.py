"""A browser for what only a browser can make: pages on paper and pictures of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str:
    """Path of Chromium: the environment variable CHROMIUM, or what the system has.

    Raises:
        FileNotFoundError: there is none; says how to get one.
    """
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise FileNotFoundError(
            f"no Chromium ({', '.join(NAMES)}); install it (Debian: apt-get install chromium) or set CHROMIUM"
        )
    return found


@contextmanager
def opened(width: int = 1400, height: int = 900) -> Iterator[Any]:
    """A page of a browser without a window and without a network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light", offline=True)
        try:
            yield context.new_page()
        finally:
            browser.close()
