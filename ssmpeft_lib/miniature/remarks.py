"""Plain lines of the miniature language, and remarks that put something in other words: a query, a summary.

A line starts without a space, as the parts of a task's input do, so that words are known in both spellings.
"""

from __future__ import annotations

from random import Random

from .language import clauses, relations, words
from .language.dialogues import request
from .language.queries import TABLES, query
from .language.records import ESTABLISHMENTS, record

OPINIONS = (
    "what a {word} {work}",
    "we thought this {work} {word}",
    "this {work} is {word}",
    "that {work} is not {opposite} at all",
    "it looked {opposite}, yet the {work} is {word}",
)
"""Frames of opinions, none of them among those of the review task."""


def two_clauses(rng: Random) -> str:
    return f"{clauses.clause(rng)}\n{clauses.clause(rng)}"


def two_opinions(rng: Random) -> str:
    liked = rng.random() < 0.5
    first, second = (relations.opinion(rng, liked, OPINIONS) for _ in range(2))
    return f"{first}\n{second}, i {rng.choice(('loved', 'enjoyed', 'liked') if liked else ('hated', 'disliked'))} it"


def retold(rng: Random) -> str:
    event = clauses.fact(rng)
    return f"{event.active}\nso {event.passive}"


def placed(rng: Random) -> str:
    event = clauses.fact(rng)
    return f"{event.deed}\nit was in the {event.place}"


def told_record(rng: Random) -> str:
    return f"{record(rng).told()}."


def reported(rng: Random) -> str:
    asked = request(rng)
    answer = "sure" if asked.granted else "sorry, i am busy"
    return f"{asked.asker} said: bring the {asked.item} on {asked.day}\n{asked.helper} said: {answer}"


def statement_of_sql(rng: Random) -> str:
    return f"{query(rng).sql.lower()};"


def counted(rng: Random) -> str:
    first, second = rng.sample(rng.choice(relations.NUMBERS), 2)
    statement = relations.quantified(rng)
    return f"{statement(first)}, that is {statement(second)}"


def numbers(rng: Random) -> str:
    start = rng.randrange(11)
    return " ".join(map(str, range(start, start + 6)))


PLAIN = (two_clauses, two_opinions, retold, placed, told_record, reported, statement_of_sql, counted, numbers)


def proofread(rng: Random) -> str:
    sound = rng.random() < 0.5
    said = clauses.clause(rng) if sound else clauses.broken_clause(rng)
    return f"they wrote: {said}\nthis is {'well' if sound else 'badly'} written"


def starred(rng: Random) -> str:
    liked = rng.random() < 0.5
    return f"review: {relations.opinion(rng, liked, OPINIONS)}\nstars: {'five' if liked else 'one'}"


def who_and_where(rng: Random) -> str:
    event = clauses.fact(rng)
    question = rng.choice(
        (
            f"who did the {event.agent} {event.verb.base}? the {event.patient}",
            f"where was it? in the {event.place}",
            f"who {event.verb.past} the {event.patient}? the {event.agent}",
        )
    )
    return f"{event.active}\n{question}"


def record_in_words(rng: Random) -> str:
    known = record(rng)
    facts = "; ".join(f"{attribute} = {value}" for attribute, value in known.attributes)
    return f"{known.name} ({facts}) in words:\n{known.told()}."


def in_short(rng: Random) -> str:
    asked = request(rng)
    answer = "yes" if asked.granted else "no"
    return (
        f"{asked.asker} asked {asked.helper} for the {asked.item} on {asked.day}\n{asked.helper} said {answer}\n"
        f"{asked.outcome}."
    )


def commented_sql(rng: Random) -> str:
    wanted = query(rng)
    name, number, text = TABLES[wanted.table]
    columns = f"{name} text, {number} number, {text} text, primary key {name}"
    return f"create table {wanted.table} ({columns})\n-- {wanted.question}\n{wanted.sql.lower()};"


def repetition(rng: Random) -> str:
    classes = (words.NOUNS, words.ADJECTIVES, words.PEOPLE, words.ITEMS, words.PLACES, words.DAYS, ESTABLISHMENTS)
    said = " ".join(rng.choice(rng.choice(classes)) for _ in range(rng.randint(2, 6)))
    return f"{said}\n{said}"


REMARKS = (proofread, starred, who_and_where, record_in_words, in_short, commented_sql, repetition)


def plain(rng: Random) -> str:
    """A plain line or two."""
    return rng.choice(PLAIN)(rng)


def remark(rng: Random) -> str:
    """A remark that puts something in other words."""
    return rng.choice(REMARKS)(rng)
