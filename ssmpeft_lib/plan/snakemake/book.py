"""What `workflow/rules/book.smk` asks: what the pages and chapters of the book are made of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .. import code, registry
from .files import result


class BookRules:
    """Inputs of the rules `chapter` and `pages`."""

    def __init__(self, root: Path):
        self.root = root

    @property
    def prose(self) -> list[Path]:
        """What the book is made of beside results."""
        return sorted(path for path in (self.root / "book").rglob("*") if path.is_file())

    @property
    def measured(self) -> list[Path]:
        """What was measured and is kept in the repository, for the pages that show it."""
        recorded = self.root / "recorded"
        found = [*recorded.glob("*.json"), *recorded.glob("checkpoints/*/model.json")]
        return sorted([*found, self.root / "workflow" / "questions.yaml"])

    @property
    def chapters(self) -> list[str]:
        """The executed notebooks that are pages of the book: all notebooks but that of a cell."""
        notebooks = sorted((self.root / "notebooks").glob("*.md"))
        return [result(f"chapters/{path.stem}.ipynb") for path in notebooks if path.stem != "cell"]

    def code_of_chapter(self, wildcards: Any) -> str:
        """Digest of the library's public functions and of the methods that a chapter's text names."""
        text = (self.root / "notebooks" / f"{wildcards.chapter}.md").read_text(encoding="utf-8")
        words = set(re.findall(r"\w+", text))
        homes = registry.literal("", "__init__", "HOME")
        public = [tuple(homes[name].split(".")) for name in re.findall(r"ssmpeft_lib\.(\w+)", text) if name in homes]
        methods = [("methods", name) for name in registry.files("methods") if public and name in words]
        return code.digest([*public, *methods])

    @property
    def chapter_sources(self) -> list[Path]:
        """What the chapters are made of beside their text: code, errata and recorded results."""
        package = self.root / "ssmpeft_lib"
        folders = ("theory", "compare", "book/theory")
        code = [path for folder in folders for path in (package / folder).rglob("*.py")]
        recorded = self.root / "recorded"
        runs = [*(recorded / "regression").glob("*"), *recorded.glob("practice.json")]
        return sorted([*code, *runs, self.root / "workflow" / "errata" / "theory.yaml"])
