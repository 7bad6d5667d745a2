"""The words of the miniature language, with the forms that its sentences need."""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """A transitive verb: base form, third person singular, past."""

    base: str
    third: str
    past: str


PLURALS = {
    "dog": "dogs",
    "cat": "cats",
    "man": "men",
    "woman": "women",
    "boy": "boys",
    "girl": "girls",
    "horse": "horses",
    "teacher": "teachers",
    "doctor": "doctors",
    "child": "children",
}
"""Nouns for people and animals, with their plurals."""

NOUNS = tuple(PLURALS)

VERBS = (
    Verb("chase", "chases", "chased"),
    Verb("help", "helps", "helped"),
    Verb("push", "pushes", "pushed"),
    Verb("follow", "follows", "followed"),
    Verb("like", "likes", "liked"),
    Verb("find", "finds", "found"),
    Verb("call", "calls", "called"),
    Verb("watch", "watches", "watched"),
)

ADJECTIVES = ("big", "small", "old", "young", "red", "black", "tall", "thin", "happy", "sad")
PLACES = ("park", "house", "garden", "school", "river", "market", "forest", "street")
DAYS = ("monday", "tuesday", "friday", "sunday")

PRAISE = ("great", "lovely", "superb", "charming", "brilliant", "delightful", "wonderful", "excellent")
BLAME = ("awful", "dull", "boring", "terrible", "clumsy", "dreadful", "horrible", "tedious")
WORKS = ("movie", "film", "story", "plot", "acting", "book", "song", "play")
"""What opinions are about."""

PEOPLE = ("anna", "tom", "sara", "ben", "lucy", "max", "emma", "paul", "nina", "jack", "rosa", "leo")
ITEMS = ("cake", "book", "ticket", "camera", "guitar", "map", "lamp", "bike", "phone", "coat")
