"""Every finding of the paper with the claims that test it."""

from __future__ import annotations

from .. import links
from ..claims_view import claims_html, overall
from ..documents import Book
from ..environment import prose, render
from ..page import plain, raw


def myst(book: Book, page: str) -> str:
    """One section a finding."""
    return "\n\n".join(_section(book, page, finding) for finding in book.findings)


def _section(book, page, finding):
    anchor = f"(finding-{finding['number']})=\n## Finding {finding['number']}: {plain(finding['title'])}"
    lanes = {"printed": overall(finding["claims"], "printed"), book.whose: overall(finding["claims"], "ours")}
    top = render("finding_top.html", finding=finding, lanes=lanes, why=prose(finding["why"], book.link_from(page)))
    where = {}
    for index, claim in enumerate(finding["claims"]):
        document = claim["document"]
        where[index] = (document["title"].partition(":")[0], links.href(page, links.exhibit_page(document["id"])))
    claims = claims_html(finding["claims"], book.whose, where) if finding["claims"] else ""
    return f"{anchor}\n\n{raw(top + claims)}"
