"""A finished book of made-up results and a browser to look at it with, made once for all tests that ask."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from reference import REPOSITORY
from required import missing

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

FAILED, MISSING = "lora@dt_proj/dart/seed0", "full@x_proj/dart"


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the finished pages: two tables with results, failures and holes."""
    pytest.importorskip("jupyter_book", reason="Jupyter Book is not installed")
    from fake_results import fake_results

    from ssmpeft_lib.book.jupyter_book import make_html
    from ssmpeft_lib.book.pages import make_pages

    results = tmp_path_factory.mktemp("results")
    fake_results(results, ("table02", "table08"), seeds=2, failed=[FAILED], missing=[MISSING, "glue-mnli"])
    source = make_pages("quick", results, REPOSITORY / "book", results / "quick" / "book" / "_toc.yml")
    return make_html(source, results / "quick" / "html").parent


@pytest.fixture(scope="session")
def site(book: Path) -> Iterator[str]:
    """Address of the book, served from this machine."""
    handler = functools.partial(_Quiet, directory=str(book))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Chromium, or a skip that says what is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        missing("browser", f"no Chromium at {CHROMIUM} (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def visit(browser, site: str) -> Iterator:
    """A function that opens a page and returns it with what went wrong: `visit(path, width=1400, scheme="light")`.

    The network is cut but for the book itself; a request that would leave the machine is refused and noted.
    """
    contexts = []

    def open_page(path: str, width: int = 1400, scheme: str = "light") -> SimpleNamespace:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page, wrong = context.new_page(), []

        def answer(route) -> None:
            if route.request.url.startswith((site, "data:")):
                route.continue_()
            else:
                wrong.append(f"request leaves the page: {route.request.url}")
                route.abort()

        context.route("**/*", answer)
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("response", lambda reply: wrong.append(f"{reply.status} {reply.url}") if reply.status >= 400 else None)
        page.goto(f"{site}/{path}", wait_until="load")
        return SimpleNamespace(page=page, wrong=wrong)

    yield open_page
    for context in contexts:
        context.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""
