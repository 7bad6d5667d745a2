"""Remarks on how statements, questions and answers are related: what the pair tasks ask for, in other words.

Two kinds of remark: verdicts on several sayings (`yes`, `perhaps`, `no`), and the names of what two sayings are about.
The second carries no verdict, and is what makes a small model remember both sayings to the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from .language import clauses, relations

VERDICTS = ("yes", "perhaps", "no")
CONCLUSIONS = ("surely", "perhaps", "never")

SAYINGS = 3
"""Sayings with a verdict in one document."""

SAME = 0.5
"""Share of sayings with a verdict that are of the first one's kind. Each is drawn by itself, so that no verdict can be
told from those before it."""

NAMED = 0.5
"""Share of remarks that name things, among the two kinds."""


@dataclass(frozen=True)
class Comparison:
    """A relation between the kinds that sayings are of.

    Attributes:
        kinds: what there is to compare, for example quantifiers.
        tell: a first saying of one kind, and further ones of others, on the same subject.
        verdict: whether a saying of the second kind holds after one of the first: 0 yes, 1 perhaps, 2 no.
        name: how a kind is called.
    """

    kinds: tuple
    tell: Callable[[Random, object, list], tuple[str, list[str]]]
    verdict: Callable[[object, object], int]
    name: Callable[[object], str]


def tell_quantified(rng: Random, first: str, others: list[str]) -> tuple[str, list[str]]:
    """A statement with the first quantifier, and the same one with each of the others."""
    said = relations.quantified(rng)
    return said(first), list(map(said, others))


def tell_counted(rng: Random, first: tuple[str, str], others: list[tuple[str, str]]) -> tuple[str, list[str]]:
    """A statement with a phrase for the first number, and the same one with a phrase for each of the others."""
    said = relations.quantified(rng)
    return said(rng.choice(first)), [said(rng.choice(other)) for other in others]


def tell_questions(rng: Random, first: str, others: list[str]) -> tuple[str, list[str]]:
    """A question of the first kind, and ones of the other kinds about the same deed, without question marks."""
    question, *further = relations.questions(rng, (first, *others))
    return f"{question}?", further


def tell_answers(rng: Random, first: str, others: list[str]) -> tuple[str, list[str]]:
    """A question for a circumstance of a fact, and the fact told with circumstances of the other kinds."""
    event = clauses.fact(rng)
    return f"{relations.asked(event, first)}?", [relations.told(rng, event, other) for other in others]


def same(first: object, second: object) -> int:
    """The verdict where kinds exclude each other: 0 (yes) on the same kind, 2 (no) on another."""
    return 0 if first == second else 2


COMPARISONS = (
    Comparison(relations.QUANTIFIERS, tell_quantified, relations.relation, str),
    Comparison(relations.NUMBERS, tell_counted, same, lambda pair: pair[0]),
    Comparison(tuple(relations.QUESTIONS), tell_questions, same, "a {}".format),
    Comparison(tuple(relations.CIRCUMSTANCES), tell_answers, same, "a {}".format),
)


def judged(rng: Random, comparison: Comparison) -> str:
    """A saying, and verdicts on others."""
    first, *others = rng.sample(comparison.kinds, len(comparison.kinds))
    kinds = [first if rng.random() < SAME else rng.choice(others) for _ in range(SAYINGS)]
    saying, further = comparison.tell(rng, first, kinds)
    verdicts = [VERDICTS[comparison.verdict(first, kind)] for kind in kinds]
    return "\n".join([saying, *(f"{other}? {verdict}" for other, verdict in zip(further, verdicts, strict=True))])


def named(rng: Random, comparison: Comparison) -> str:
    """Two sayings, and what kind either is of."""
    first, second = rng.choice(comparison.kinds), rng.choice(comparison.kinds)
    saying, (other,) = comparison.tell(rng, first, [second])
    return f"{saying}\n{other}\nfirst {comparison.name(first)}, then {comparison.name(second)}"


def conclusion(rng: Random) -> str:
    """A statement and what it says of another."""
    relation = rng.randrange(3)
    tables = (relations.ENTAILED, relations.NEUTRAL, relations.CONTRADICTED)
    premise, hypothesis = relations.weighted(rng, tables[relation])
    said = relations.quantified(rng)
    return f"{said(premise)}\n{CONCLUSIONS[relation]} {said(hypothesis)}"


def comparison(rng: Random) -> str:
    """A remark on how things are related."""
    if rng.random() < NAMED:
        return named(rng, rng.choice(COMPARISONS))
    chosen = rng.choice((*COMPARISONS, None))
    return judged(rng, chosen) if chosen else conclusion(rng)
