"""The paper's findings in one line each, with a verdict on the printed numbers."""

from .. import links
from ..claims_view import overall
from ..environment import render
from ..page import raw


def myst(book, page):
    """A list of findings; nothing where no claim tests one."""
    shown = []
    for finding in book.findings:
        printed = overall(finding["claims"], "printed")
        tables = sorted({claim["document"]["title"].partition(":")[0] for claim in finding["claims"]}, key=_natural)
        address = links.href(page, "findings", f"finding-{finding['number']}")
        shown.append(finding | {"printed": printed, "tables": tables, "href": address})
    return raw(render("findings_in_short.html", findings=shown))


def _natural(title):
    return int(title.rpartition(" ")[2]) if title.rpartition(" ")[2].isdigit() else 0
