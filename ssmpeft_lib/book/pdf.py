"""The whole book as one PDF: every page of the table of contents on paper, runs left out."""

from __future__ import annotations

import posixpath
from pathlib import Path
from urllib.parse import unquote, urldefrag

from bs4 import BeautifulSoup, Tag

from ..plan.atomic import replacing
from .chromium import opened
from .jupyter_book import BUILD, run_jupyter_book

# at this scale a sheet is as wide as a table of eight scores needs
PAPER = {"format": "A4", "scale": 0.68, "margin": {"top": "18mm", "bottom": "18mm", "left": "15mm", "right": "15mm"}}
FOOT = (
    '<div style="width:100%;font:8px sans-serif;color:#4a515c;padding:0 15mm;display:flex">'
    '<span class="title" style="flex:1"></span><span class="pageNumber"></span></div>'
)


def make_pdf(source: Path, target: Path) -> Path:
    """Build the pages in `source` as one and print them.

    Args:
        source: folder of the book's source, with `_config.yml` and `_toc.yml`.
        target: the PDF to make.
    Raises:
        BookError: Jupyter Book failed or warned.
        FileNotFoundError: there is no Chromium.
    """
    source, target = Path(source).resolve(), Path(target).resolve()
    built = run_jupyter_book(source, source.parent / BUILD, "singlehtml") / "index.html"
    soup = BeautifulSoup(built.read_text(encoding="utf-8"), "lxml")
    rewrite_links(soup)
    page = built.with_name("print.html")
    page.write_text(str(soup), encoding="utf-8")
    with replacing(target) as draft, opened() as browser:
        browser.goto(page.as_uri())
        browser.evaluate("document.documentElement.dataset.theme = 'light'; document.fonts.ready")
        browser.pdf(
            path=str(draft),
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOT,
            print_background=True,
            outline=True,
            tagged=True,
            **PAPER,
        )
    return target


def rewrite_links(soup: BeautifulSoup) -> None:
    """Make links between pages links inside the one page; what is not on paper loses its link, not its text."""
    documents = {tag["id"].removeprefix("document-") for tag in soup.find_all(id=_is_document)}
    here = "index"
    for tag in soup.find_all(True):
        if _is_document(tag.get("id")):
            here = tag["id"].removeprefix("document-")
        elif tag.name == "a" and tag.get("href"):
            _rewrite(tag, here, documents)


def _is_document(name: str | None) -> bool:
    return bool(name) and name.startswith("document-")


def _rewrite(link: Tag, here: str, documents: set[str]) -> None:
    address, anchor = urldefrag(link["href"])
    if ":" in address or (not address and not anchor.startswith("/")):
        return
    page = posixpath.normpath(posixpath.join(posixpath.dirname(here), unquote(address))).removesuffix(".html")
    if page in documents:
        link["href"] = f"#document-{page}"
    else:
        del link["href"]
