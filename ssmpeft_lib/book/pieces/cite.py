"""How to cite the software and the paper, from CITATION.cff."""

from __future__ import annotations

import yaml

from ...plan.registry import PACKAGE
from ..documents import Book


def myst(book: Book, page: str) -> str:
    """Two BibTeX entries; nothing where the file is not there."""
    path = PACKAGE.parent / "CITATION.cff"
    if not path.exists():
        return ""
    cited = yaml.safe_load(path.read_text(encoding="utf-8"))
    (paper,) = cited["references"]
    entries = [
        _entry("software", "ssmpeft", cited | {"note": f"Version {cited['version']}"}),
        _entry("article", "galim2024peft", paper | {"note": paper["identifiers"][0]["value"]}),
    ]
    return "```bibtex\n" + "\n\n".join(entries) + "\n```"


def _entry(kind: str, key: str, work: dict) -> str:
    names = [author.get("name") or f"{author['family-names']}, {author['given-names']}" for author in work["authors"]]
    fields = {
        "title": f"{{{work['title']}}}",
        "author": " and ".join(names),
        "year": work.get("year"),
        "note": work["note"],
    }
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"
