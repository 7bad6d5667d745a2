"""Records of eating places, and how they are told: what DART's miniature verbalises."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .holdout import draw_for
from .words import PLACES

ESTABLISHMENTS = ("mill", "eagle", "vaults", "wrestlers", "punter", "plough", "olive", "cricketers", "waterman")

ATTRIBUTES = {
    "food": ("italian", "french", "indian", "chinese", "thai"),
    "area": ("riverside", "centre", "north", "suburb"),
    "price": ("cheap", "high", "moderate"),
    "near": tuple(f"the {place}" for place in PLACES[:6]),
}
"""Attributes with their values."""

PHRASES = {"food": "serves {} food", "area": "is in the {}", "price": "has {} prices", "near": "is near {}"}


@dataclass(frozen=True)
class Record:
    """An eating place with two or three of its attributes, in the order in which they are told."""

    name: str
    attributes: tuple[tuple[str, str], ...]

    def told(self, backwards: bool = False) -> str:
        """The record as a sentence, without a full stop."""
        order = reversed(self.attributes) if backwards else self.attributes
        return f"the {self.name} " + " and ".join(PHRASES[attribute].format(value) for attribute, value in order)


def record(rng: Random, task: bool = False) -> Record:
    """A random record, of those that a task, or the pretraining text, may speak of."""

    def draw() -> Record:
        attributes = rng.sample(tuple(ATTRIBUTES), rng.choice((2, 2, 3)))
        return Record(rng.choice(ESTABLISHMENTS), tuple((name, rng.choice(ATTRIBUTES[name])) for name in attributes))

    return draw_for(task, draw, content=lambda drawn: (drawn.name, *sorted(drawn.attributes)))
