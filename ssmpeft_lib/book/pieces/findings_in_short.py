"""The paper's findings in one line each, with a verdict on the printed numbers."""

from __future__ import annotations

from ...compare.claims import is_literal
from .. import links
from ..claims_view import exhibits_of, overall, together
from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """A list of findings; nothing where no claim tests one."""
    shown = []
    for finding in book.findings:
        printed = overall(finding["claims"], "printed")
        literal = [claim for claim in finding["claims"] if is_literal(claim)]
        tested = [claim for claim in literal if claim["lanes"]["printed"]["tested"]]
        names = {name for claim in tested for name in exhibits_of(claim)}
        address = links.href(page, "findings", f"finding-{finding['number']}")
        shown.append(finding | {"printed": printed, "tables": together(names), "href": address})
    return raw(render("findings_in_short.html", findings=shown))
