"""The drawing of a block, with a switch for the families of methods."""

from __future__ import annotations

from ...plan.registry import family_labels
from .. import links
from ..block import SLOTS, block_drawing
from ..documents import Book
from ..environment import render
from ..method_facts import acting
from ..page import raw


def myst(book: Book, page: str) -> str:
    """The drawing; slots lead to the glossary."""
    families = acting(book.shares, book.catalogue["slots"])
    href = {slot: links.href(page, "glossary", links.slot_anchor(slot)) for slot in SLOTS}
    label = "A Mamba block: its slots from the embedding to the output, marked with the families that act on them"
    drawing = block_drawing(families, href, label)
    acts = {family for present in families.values() for family in present}
    shown = {family: label for family, label in family_labels().items() if family in acts}
    return raw(render("block.html", drawing=drawing, families=shown))
