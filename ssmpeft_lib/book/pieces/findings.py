"""Every finding of the paper with the claims that test it."""

from __future__ import annotations

from ...compare.claims import is_literal
from .. import links
from ..claims_view import claims_html, exhibits_of, overall, together
from ..documents import Book
from ..environment import prose, render
from ..page import plain, raw


def myst(book: Book, page: str) -> str:
    """One section a finding."""
    return "\n\n".join(_section(book, page, finding) for finding in book.findings)


def _section(book, page, finding):
    anchor = f"(finding-{finding['number']})=\n## Finding {finding['number']}: {plain(finding['title'])}"
    kinds = {"printed": "printed", "recorded": "recorded", "small": "small models", "ours": book.whose}
    lanes = {name: overall(finding["claims"], lane) for lane, name in kinds.items()}
    values = {
        "finding": finding,
        "lanes": {name: found for name, found in lanes.items() if name == "printed" or found["tested"]},
        "tables": together(name for claim in finding["claims"] for name in exhibits_of(claim)),
        "readings": sum(not is_literal(claim) for claim in finding["claims"]),
        "why": prose(finding["why"], book.link_from(page)),
        "caveat": prose(finding["caveat"], book.link_from(page)),
        "erratum": book.erratum(page, finding["erratum"]),
    }
    top = render("finding_top.html", **values)
    where = {}
    for index, claim in enumerate(finding["claims"]):
        document = claim["document"]
        where[index] = (document["title"].partition(":")[0], links.href(page, links.exhibit_page(document["id"])))
    claims = claims_html(finding["claims"], book.whose, where) if finding["claims"] else ""
    folded = f"<details class='folded'><summary>{len(finding['claims'])} comparisons</summary>{claims}</details>"
    return f"{anchor}\n\n{raw(top + (folded if claims else ''))}"
