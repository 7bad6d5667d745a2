"""Where a method that came after the paper, or that the paper does not compare, was published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A method's source, and what code elsewhere offers, for the book's table of such methods.

    Attributes:
        where: authors, venue and year.
        arxiv: number of the preprint.
        code: a repository on GitHub that has it, `owner/name`: its authors', or peft; empty where none is known.
        offers: what that code runs on and what it can do, as its own documents and files say.
    """

    where: str
    arxiv: str
    code: str
    offers: str
