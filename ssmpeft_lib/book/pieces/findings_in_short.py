"""The paper's findings in one line each, with a verdict on the printed numbers."""

from __future__ import annotations

from .. import links
from ..claims_view import overall
from ..documents import Book
from ..environment import render
from ..page import raw


def myst(book: Book, page: str) -> str:
    """A list of findings; nothing where no claim tests one."""
    shown = []
    for finding in book.findings:
        printed = overall(finding["claims"], "printed")
        tested = [claim for claim in finding["claims"] if claim["lanes"]["printed"]["tested"]]
        names = {claim["document"]["title"].partition(":")[0] for claim in tested}
        address = links.href(page, "findings", f"finding-{finding['number']}")
        shown.append(finding | {"printed": printed, "tables": together(names), "href": address})
    return raw(render("findings_in_short.html", findings=shown))


def together(names):
    """Names such as `Table 1` and `Table 8` as `Tables 1, 8`."""
    kinds = {}
    for name in names:
        kind, _, number = name.rpartition(" ")
        kinds.setdefault(kind, []).append(number)
    return ", ".join(
        f"{kind}{'s' if len(numbers) > 1 else ''} {', '.join(sorted(numbers, key=_natural))}"
        for kind, numbers in sorted(kinds.items())
    )


def _natural(number):
    return (int(number), "") if number.isdigit() else (0, number)
