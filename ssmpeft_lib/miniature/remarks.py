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
    """Two clauses that have nothing to do with each other, one a line."""
    return f"{clauses.clause(rng)}\n{clauses.clause(rng)}"


def two_opinions(rng: Random) -> str:
    """Two opinions that agree, and whether the speaker liked it."""
    liked = rng.random() < 0.5
    first, second = (relations.opinion(rng, liked, OPINIONS) for _ in range(2))
    return f"{first}\n{second}, i {rng.choice(('loved', 'enjoyed', 'liked') if liked else ('hated', 'disliked'))} it"


def retold(rng: Random) -> str:
    """A fact in the active voice, and again in the passive."""
    event = clauses.fact(rng)
    return f"{event.active}\nso {event.passive}"


def placed(rng: Random) -> str:
    """A fact without its place, and the place in a sentence of its own."""
    event = clauses.fact(rng)
    return f"{event.deed}\nit was in the {event.place}"


def told_record(rng: Random) -> str:
    """An eating place with its attributes, as a sentence."""
    return f"{record(rng).told()}."


def reported(rng: Random) -> str:
    """A request and its answer, as who said what."""
    asked = request(rng)
    answer = "sure" if asked.granted else "sorry, i am busy"
    return f"{asked.asker} said: bring the {asked.item} on {asked.day}\n{asked.helper} said: {answer}"


def statement_of_sql(rng: Random) -> str:
    """The SQL of a query in lower case, without its question."""
    return f"{query(rng).sql.lower()};"


def counted(rng: Random) -> str:
    """A statement with a number phrase, and again with the other phrase of the same meaning."""
    first, second = rng.sample(rng.choice(relations.NUMBERS), 2)
    statement = relations.quantified(rng)
    return f"{statement(first)}, that is {statement(second)}"


def numbers(rng: Random) -> str:
    """Six numbers in a row, the first between 0 and 10."""
    start = rng.randrange(11)
    return " ".join(map(str, range(start, start + 6)))


PLAIN = (two_clauses, two_opinions, retold, placed, told_record, reported, statement_of_sql, counted, numbers)


def proofread(rng: Random) -> str:
    """A clause, sound or broken, and whether it is well written."""
    sound = rng.random() < 0.5
    said = clauses.clause(rng) if sound else clauses.broken_clause(rng)
    return f"they wrote: {said}\nthis is {'well' if sound else 'badly'} written"


def starred(rng: Random) -> str:
    """An opinion and its stars: five for praise, one for blame."""
    liked = rng.random() < 0.5
    return f"review: {relations.opinion(rng, liked, OPINIONS)}\nstars: {'five' if liked else 'one'}"


def who_and_where(rng: Random) -> str:
    """A fact, and a question about it with its answer."""
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
    """A record as a list of attributes, and then as a sentence."""
    known = record(rng)
    facts = "; ".join(f"{attribute} = {value}" for attribute, value in known.attributes)
    return f"{known.name} ({facts}) in words:\n{known.told()}."


def in_short(rng: Random) -> str:
    """A request and its answer in reported speech, and what came of it."""
    asked = request(rng)
    answer = "yes" if asked.granted else "no"
    return (
        f"{asked.asker} asked {asked.helper} for the {asked.item} on {asked.day}\n{asked.helper} said {answer}\n"
        f"{asked.outcome}."
    )


def commented_sql(rng: Random) -> str:
    """The SQL that makes a table, a question about it as a comment, and the query that answers it."""
    wanted = query(rng)
    name, number, text = TABLES[wanted.table]
    columns = f"{name} text, {number} number, {text} text, primary key {name}"
    return f"create table {wanted.table} ({columns})\n-- {wanted.question}\n{wanted.sql.lower()};"


def repetition(rng: Random) -> str:
    """Two to six random words, and the same words again."""
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
