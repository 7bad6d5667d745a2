"""The picture that other sites show for a link to the book."""

from __future__ import annotations

from pathlib import Path

from ..compare.join import exhibit_document
from ..plan.exhibit import Exhibit
from .chromium import opened
from .environment import render
from .exhibit_charts import front_chart
from .exhibit_view import exhibit_view
from .style_sheet import style_sheet

WIDTH, HEIGHT = 1200, 630


def make_card(spec: Path, shares: dict, book: Path, target: Path) -> Path:
    """Draw the card from the printed numbers of an exhibit.

    Args:
        spec: the exhibit's file.
        shares: counted parameters, by model and method.
        book: the folder of hand-written pages, for fonts and colours.
        target: the PNG to make.
    """
    nothing = Path("/nonexistent")
    view = exhibit_view(exhibit_document(Exhibit.load(spec), "paper", range(0), nothing, shares))
    page = book / "_static" / ".card.html"
    chart = front_chart(view, view.scores[-1])[0]
    page.write_text(
        render("card.html", chart=chart, styles=style_sheet(book), title=view.document["title"]), encoding="utf-8"
    )
    try:
        with opened(WIDTH, HEIGHT) as browser:
            browser.goto(page.resolve().as_uri())
            browser.evaluate("document.fonts.ready")
            browser.screenshot(path=str(target))
    finally:
        page.unlink()
    return target
