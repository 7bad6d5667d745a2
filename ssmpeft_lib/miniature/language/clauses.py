"""Plain clauses: who does what to whom, where; grammatical, broken, and as facts to ask about."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .holdout import draw_for
from .words import ADJECTIVES, NOUNS, PLACES, PLURALS, VERBS, Verb


@dataclass(frozen=True)
class Clause:
    """A clause in its parts; `str` of it is the sentence without a full stop."""

    subject: str
    verb: str
    object: str
    place: str

    def __str__(self) -> str:
        return f"{self.subject} {self.verb} {self.object}{self.place}"


@dataclass(frozen=True)
class Deed:
    """Who does what to whom; the two differ."""

    agent: str
    verb: Verb
    patient: str


def deed(rng: Random, task: bool) -> Deed:
    """A deed that a task, or the pretraining text, may speak of."""

    def draw() -> Deed:
        agent, patient = rng.sample(NOUNS, 2)
        return Deed(agent, rng.choice(VERBS), patient)

    return draw_for(task, draw, content=lambda drawn: (drawn.agent, drawn.patient))


def noun_phrase(rng: Random, noun: str, plural: bool) -> str:
    """A noun phrase such as `the old dogs`."""
    adjective = f"{rng.choice(ADJECTIVES)} " if rng.random() < 0.5 else ""
    return f"the {adjective}{PLURALS[noun] if plural else noun}"


def clause(rng: Random, task: bool = False, sound: bool = True) -> Clause:
    """A clause in the present or past tense; one that is not sound has a verb that disagrees with its subject."""
    done = deed(rng, task)
    plural = rng.random() < 0.5
    present = rng.random() < 0.5 or not sound
    agreeing, disagreeing = (done.verb.base, done.verb.third) if plural else (done.verb.third, done.verb.base)
    form = (agreeing if sound else disagreeing) if present else done.verb.past
    place = f" in the {rng.choice(PLACES)}" if rng.random() < 0.5 else ""
    subject = noun_phrase(rng, done.agent, plural)
    return Clause(subject, form, noun_phrase(rng, done.patient, rng.random() < 0.5), place)


def broken_clause(rng: Random, task: bool = False) -> str:
    """A clause with one fault: the verb disagrees with its subject, is missing, or two neighbouring words swapped."""
    fault = rng.choice(("agreement", "order", "verb"))
    if fault == "agreement":
        return str(clause(rng, task, sound=False))
    whole = clause(rng, task)
    words = str(whole).split()
    if fault == "verb":
        words.remove(whole.verb)
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
        """The fact with its place, in the active voice."""
        return f"{self.deed} in the {self.place}"

    @property
    def passive(self) -> str:
        """The fact with its place, in the passive voice."""
        return f"the {self.patient} was {self.verb.past} by the {self.adjective}{self.agent} in the {self.place}"


def fact(rng: Random, task: bool = False) -> Fact:
    """A random fact."""
    done = deed(rng, task)
    adjective = f"{rng.choice(ADJECTIVES)} " if rng.random() < 0.4 else ""
    return Fact(done.agent, done.verb, done.patient, adjective, rng.choice(PLACES))
