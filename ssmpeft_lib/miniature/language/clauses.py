"""Plain clauses: who does what to whom, where; grammatical, broken, and as facts to ask about."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .words import ADJECTIVES, NOUNS, PLACES, PLURALS, VERBS, Verb


@dataclass(frozen=True)
class Clause:
    """A clause in its parts; `str` of it is the sentence without a full stop."""

    subject: str
    plural: bool
    verb: str
    object: str
    place: str

    def __str__(self) -> str:
        return f"{self.subject} {self.verb} {self.object}{self.place}"


def noun_phrase(rng: Random) -> tuple[str, bool]:
    """A noun phrase such as `the old dogs`, and whether it is plural."""
    noun, plural = rng.choice(NOUNS), rng.random() < 0.5
    adjective = f"{rng.choice(ADJECTIVES)} " if rng.random() < 0.5 else ""
    return f"the {adjective}{PLURALS[noun] if plural else noun}", plural


def clause(rng: Random, present: bool | None = None) -> Clause:
    """A grammatical clause, in the present or the past tense (None: either)."""
    subject, plural = noun_phrase(rng)
    verb = rng.choice(VERBS)
    present = rng.random() < 0.5 if present is None else present
    form = (verb.base if plural else verb.third) if present else verb.past
    place = f" in the {rng.choice(PLACES)}" if rng.random() < 0.5 else ""
    return Clause(subject, plural, form, noun_phrase(rng)[0], place)


def broken_clause(rng: Random) -> str:
    """A clause with one fault: the verb disagrees with its subject, is missing, or two neighbouring words swapped."""
    fault = rng.choice(("agreement", "order", "verb"))
    if fault == "agreement":
        subject, plural = noun_phrase(rng)
        verb, rest = rng.choice(VERBS), clause(rng)
        return str(Clause(subject, plural, verb.third if plural else verb.base, rest.object, rest.place))
    sound = clause(rng)
    words = str(sound).split()
    if fault == "verb":
        words.remove(sound.verb)
    else:
        at = rng.randrange(len(words) - 1)
        words[at : at + 2] = reversed(words[at : at + 2])
    return " ".join(words)


@dataclass(frozen=True)
class Fact:
    """Somebody did something to somebody, in a place."""

    agent: str
    verb: Verb
    patient: str
    adjective: str
    place: str

    @property
    def deed(self) -> str:
        """The fact without its place."""
        return f"the {self.adjective}{self.agent} {self.verb.past} the {self.patient}"

    @property
    def active(self) -> str:
        return f"{self.deed} in the {self.place}"

    @property
    def passive(self) -> str:
        return f"the {self.patient} was {self.verb.past} by the {self.adjective}{self.agent} in the {self.place}"


def fact(rng: Random) -> Fact:
    """A fact about two different nouns."""
    agent, patient = rng.sample(NOUNS, 2)
    adjective = f"{rng.choice(ADJECTIVES)} " if rng.random() < 0.4 else ""
    return Fact(agent, rng.choice(VERBS), patient, adjective, rng.choice(PLACES))
