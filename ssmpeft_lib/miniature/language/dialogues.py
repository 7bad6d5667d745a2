"""Short dialogues in which somebody asks for something, and what came of it: SAMSum's miniature."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .holdout import draw_for
from .words import DAYS, ITEMS, PEOPLE

ANSWERS = {True: ("sure", "yes, of course", "ok"), False: ("sorry, i am busy", "no, i can not")}
CLOSINGS = {True: "thanks", False: "pity"}


@dataclass(frozen=True)
class Request:
    """One person asks another to bring something on a day; granted or not."""

    asker: str
    helper: str
    item: str
    day: str
    granted: bool

    @property
    def outcome(self) -> str:
        """What came of it, as a sentence without a full stop."""
        if self.granted:
            return f"{self.helper} will bring {self.asker} the {self.item} on {self.day}"
        return f"{self.helper} can not bring {self.asker} the {self.item} on {self.day}"

    def lines(self, rng: Random) -> list[str]:
        """The talk, one line a turn, perhaps with a greeting before and a word after."""
        greeting = [f"{self.asker}: hi {self.helper}", f"{self.helper}: hi"] if rng.random() < 0.5 else []
        closing = [f"{self.asker}: {CLOSINGS[self.granted]}"] if rng.random() < 0.5 else []
        question = f"{self.asker}: can you bring the {self.item} on {self.day}?"
        return [*greeting, question, f"{self.helper}: {rng.choice(ANSWERS[self.granted])}", *closing]


def request(rng: Random, task: bool = False) -> Request:
    """A random request, of those that a task, or the pretraining text, may speak of."""

    def draw() -> Request:
        asker, helper = rng.sample(PEOPLE, 2)
        return Request(asker, helper, rng.choice(ITEMS), rng.choice(DAYS), rng.random() < 0.5)

    return draw_for(task, draw, content=lambda drawn: (drawn.asker, drawn.helper, drawn.item, drawn.day))
