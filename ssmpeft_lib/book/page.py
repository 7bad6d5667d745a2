"""A generated page as MyST text: headings and sentences, with finished HTML between them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Page:
    """A page that is put together piece by piece.

    Attributes:
        title: its heading.
        orphan: whether it is kept out of the table of contents.
        contents: whether it lists its sections at the side.
        search: whether the search finds it.
    """

    title: str
    orphan: bool = False
    contents: bool = False
    search: bool = True
    pieces: list[str] = field(default_factory=list)

    def html(self, markup: str) -> None:
        """Add finished HTML, if there is any."""
        if markup:
            self.pieces.append(raw(markup))

    def search_words(self, words: Iterable[str]) -> None:
        """Name the words that a search is to find this page by, before others that have them in their text."""
        self.pieces.append(search_words(words))

    def heading(self, text: str, anchor: str = "", level: int = 2) -> None:
        """Add a heading, with an anchor that does not change with its words."""
        if anchor:
            self.pieces.append(f"({anchor})=")
        self.pieces.append(f"{'#' * level} {plain(text)}")

    def markdown(self, text: str) -> None:
        """Add MyST text as it is."""
        self.pieces.append(text.strip("\n"))

    def __str__(self) -> str:
        matter = []
        if self.orphan:
            matter.append("orphan: true")
        if not self.search:
            matter.append("nosearch: true")
        if not self.contents:
            matter.append("html_theme.sidebar_secondary.remove: true")
        front = "---\n" + "\n".join(matter) + "\n---\n" if matter else ""
        return front + "\n\n".join([f"# {plain(self.title)}", *self.pieces]) + "\n"


def search_words(words: Iterable[str]) -> str:
    """Words that lead to a page as MyST text, each once in whatever case."""
    known = {word.lower(): word for word in words if word and not set(word) & set(",;!:")}
    return f"```{{index}} {', '.join(known.values())}\n```" if known else ""


def raw(markup: str) -> str:
    """HTML inside MyST text; the fence is longer than any run of backticks in it."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", markup))])
    return f"{fence}{{raw}} html\n{markup.strip()}\n{fence}"


def plain(text: str) -> str:
    """Text that MyST shows as it is; `backticks` stay code."""
    pieces = re.split(r"(`[^`]+`)", text)
    return "".join(
        piece if index % 2 else re.sub(r"([\\*_#<>{}\[\]$|!~])", r"\\\1", piece) for index, piece in enumerate(pieces)
    )
