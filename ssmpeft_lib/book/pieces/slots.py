"""The slots of a Mamba block: the paper's symbol, the checkpoint's parameter, which families act there."""

from __future__ import annotations

import yaml
from latex2mathml.converter import convert

from ...plan.registry import family_labels
from ..block import LEARNED
from ..documents import Book
from ..environment import render
from ..links import slot_anchor
from ..method_facts import acting
from ..page import raw


def myst(book: Book, page: str) -> str:
    """A table of slots; every slot of the code must be described in `book/slots.yml`."""
    described = yaml.safe_load((book.prose / "slots.yml").read_text(encoding="utf-8"))
    facts = book.catalogue["slots"]
    families = acting(book.shares, facts)
    if missing := set(facts) - set(described):
        raise LookupError(f"{book.prose / 'slots.yml'} does not say what {sorted(missing)[0]!r} is")
    lines = [
        {
            "name": name,
            "anchor": slot_anchor(name),
            "symbol": convert(one["symbol"]) if one["symbol"] else "",
            "text": one["text"],
            "parameter": facts[name]["parameter"] if name in facts else "",
            "axes": _axes(facts.get(name)),
            "families": families.get(name, ()),
        }
        for name, one in described.items()
        if name in facts or name in LEARNED
    ]
    return raw(render("slots.html", lines=lines, names=family_labels()))


def _axes(facts):
    if facts is None:
        return ""
    named = {facts["channel_axis"]: "channels", facts["state_axis"]: "states"}
    return " × ".join(named[axis] for axis in (0, 1) if axis in named)
