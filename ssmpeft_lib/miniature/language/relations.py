"""Statements and questions whose meanings stand in a known relation: what GLUE's tasks ask about.

Every relation is a small table over closed classes (quantifiers, number phrases, kinds of question). Equality of open
words ("is it the same verb?") is not among them: stand-ins of this size do not learn it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from . import clauses
from .clauses import Fact
from .holdout import draw_for
from .words import ADJECTIVES, BLAME, DAYS, NOUNS, PLACES, PLURALS, PRAISE, WORKS

ENTAILED = {("all", "all"): 25, ("all", "some"): 12, ("some", "some"): 18, ("no", "no"): 45}
NOT_ENTAILED = {("all", "no"): 37, ("some", "no"): 8, ("some", "all"): 10, ("no", "all"): 15, ("no", "some"): 30}
"""Quantifiers of premise and hypothesis, with weights: each quantifier is as frequent on either side of an entailed
pair as of one that is not, so neither sentence alone tells which it is."""

NEUTRAL = {("some", "all"): 1}
CONTRADICTED = {("all", "no"): 1, ("some", "no"): 1, ("no", "all"): 1, ("no", "some"): 1}

QUANTIFIERS = ("all", "some", "no")

NUMBERS = (("two", "a pair of"), ("twelve", "a dozen"), ("many", "a lot of"))
"""Pairs of phrases with the same meaning."""

QUESTIONS = {
    "number": ("how many {agents} {past} the {patient}", "what is the number of {agents} that {past} the {patient}"),
    "place": ("where did {agents} {base} the {patient}", "in which place did {agents} {base} the {patient}"),
    "time": ("when did {agents} {base} the {patient}", "on what day did {agents} {base} the {patient}"),
    "reason": ("why did {agents} {base} the {patient}", "for what reason did {agents} {base} the {patient}"),
}
"""Two ways to put each kind of question."""

CIRCUMSTANCES = {
    "place": ("where", lambda rng: f"in the {rng.choice(PLACES)}"),
    "time": ("when", lambda rng: f"on {rng.choice(DAYS)}"),
    "reason": ("why", lambda rng: f"because it was {rng.choice(ADJECTIVES)}"),
}
"""Kinds of circumstance: the word that asks for one, and an answer."""

DEGREES = ("", "", "very ", "really ", "quite ", "so ")


def weighted(rng: Random, table: dict[tuple[str, str], int]) -> tuple[str, str]:
    """A pair of a weighted table."""
    return rng.choices(list(table), weights=list(table.values()))[0]


def quality(rng: Random, task: bool) -> tuple[str, str]:
    """A noun, and a quality of several of them: `are old`."""
    noun, adjective = about(rng, task, ADJECTIVES)
    return noun, f"are {adjective}"


def location(rng: Random, task: bool) -> tuple[str, str]:
    """A noun, and where several of them were: `were in the park`."""
    noun, place = about(rng, task, PLACES)
    return noun, f"were in the {place}"


def deed(rng: Random, task: bool) -> tuple[str, str]:
    """A noun, and what several of them did: `chased the cat`."""
    done = clauses.deed(rng, task)
    return done.agent, f"{done.verb.past} the {done.patient}"


def about(rng: Random, task: bool, words: tuple[str, ...]) -> tuple[str, str]:
    """A noun and a word said of it."""
    return draw_for(task, lambda: (rng.choice(NOUNS), rng.choice(words)), content=tuple)


STATES = (quality, location, deed)
"""What is said of several, with the noun for them: a quality, a place, or a deed."""


def quantified(rng: Random, task: bool = False, states: Sequence = STATES) -> Callable[[str], str]:
    """A statement that waits for its quantifier: `quantified(rng)("some")` is `some dogs were in the park`."""
    noun, said = rng.choice(states)(rng, task)
    return lambda quantifier: f"{quantifier} {PLURALS[noun]} {said}"


def questions(rng: Random, kinds: Sequence[str], task: bool = False) -> tuple[str, ...]:
    """Questions of the given kinds about the same deed, each put in one of its two ways."""
    done = clauses.deed(rng, task)
    words = {"agents": PLURALS[done.agent], "patient": done.patient, "past": done.verb.past, "base": done.verb.base}
    return tuple(rng.choice(QUESTIONS[kind]).format(**words) for kind in kinds)


def asked(event: Fact, kind: str) -> str:
    """The question for a circumstance of a fact, for example its place."""
    return f"{CIRCUMSTANCES[kind][0]} did the {event.agent} {event.verb.base} the {event.patient}"


def told(rng: Random, event: Fact, kind: str) -> str:
    """The fact with a circumstance of that kind."""
    return f"{event.deed} {CIRCUMSTANCES[kind][1](rng)}"


def opinion(rng: Random, positive: bool, frames: tuple[str, ...]) -> str:
    """An opinion in one of the frames, with slots {work}, {word} (the opinion) and {opposite}."""
    words, opposites = (PRAISE, BLAME) if positive else (BLAME, PRAISE)
    return rng.choice(frames).format(
        work=rng.choice(WORKS), word=rng.choice(DEGREES) + rng.choice(words), opposite=rng.choice(opposites)
    )


def two_kinds(rng: Random, kinds: tuple[str, ...], same: bool) -> tuple[str, str]:
    """Two kinds out of several, the same or different."""
    kind = rng.choice(kinds)
    return kind, kind if same else rng.choice([other for other in kinds if other != kind])


def relation(premise: str, hypothesis: str) -> int:
    """What follows from a quantifier for another: 0 it is true, 1 it may be, 2 it is false."""
    return next(n for n, table in enumerate((ENTAILED, NEUTRAL, CONTRADICTED)) if (premise, hypothesis) in table)
