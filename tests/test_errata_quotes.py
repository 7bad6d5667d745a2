"""What the errata put in quotation marks stands in the paper, letter by letter."""

from __future__ import annotations

import re
from functools import cache

import pytest
import yaml
from reference import REPOSITORY, shared

OWN = {"W_B, W_C, W_down", "From theory to practice", "Jamba-Tiny 52B"}
"""Labels whose symbols are spelt here, a title of ours, and words between which a page ends in the text."""


def letters(text: str) -> str:
    """The letters of a text; without numbers, as those of its lines stand between its words."""
    return re.sub(r"[^a-z]+", "", re.sub(r"\d+", " ", text.lower()))


@cache
def paper() -> str:
    (text,) = shared("seeds").glob("003_*.txt")
    return letters(text.read_text(encoding="utf-8"))


def quotes() -> list[tuple[str, str]]:
    """Every quotation of two words or more, with where it is."""
    texts = [("limits.md", (REPOSITORY / "book" / "limits.md").read_text(encoding="utf-8").partition("```")[0])]
    for name in ("tables", "theory"):
        path = REPOSITORY / "workflow" / "errata" / f"{name}.yaml"
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        texts += [(entry["id"], text) for entry in entries for text in entry.values() if isinstance(text, str)]
    found = [(place, quote) for place, text in texts for quote in re.findall(r'"([^"]+)"', text)]
    return [(place, quote) for place, quote in found if len(quote.split()) > 1 and quote not in OWN]


@pytest.mark.parametrize("place, quote", quotes())
def test_quotation_is_in_the_paper(place, quote):
    assert letters(quote) in paper()


def test_the_comparison_can_fail():
    assert letters("achieves similar performance") in paper()
    assert letters("achieves the same performance") not in paper()
