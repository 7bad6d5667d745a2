"""Questions to small databases, with their SQL, at Spider's four levels of hardness."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .holdout import draw_for

TABLES = {
    "singer": ("name", "age", "city"),
    "city": ("name", "size", "country"),
    "shop": ("name", "price", "city"),
    "car": ("name", "speed", "owner"),
    "team": ("name", "score", "city"),
    "book": ("name", "pages", "author"),
}
"""Tables with their columns: the first is the key, the second a number, the others text. A column that bears the name
of another table refers to that table's key."""

AGGREGATES = {"max": "highest", "min": "lowest", "avg": "average"}
COMPARISONS = {">": "more", "<": "less"}
ORDERS = {"desc": "highest", "asc": "lowest"}
VALUES = range(2, 16)


@dataclass(frozen=True)
class Query:
    """A question about one table, its SQL, and the level that Spider's rules give that SQL."""

    table: str
    level: str
    question: str
    sql: str


@dataclass(frozen=True)
class Parts:
    """What a query is made of: the table and its plural, columns, a comparison with a value, an order."""

    table: str
    tables: str
    number: str
    one: str
    two: tuple[str, str]
    sign: str
    value: int
    order: str
    aggregate: str

    @property
    def compared(self) -> str:
        """The comparison in words, up to its value: `age more than`."""
        return f"{self.number} {COMPARISONS[self.sign]} than"


def parts(rng: Random) -> Parts:
    """Random parts for a query about a random table."""
    table = rng.choice(tuple(TABLES))
    columns = TABLES[table]
    return Parts(
        table=table,
        tables="cities" if table == "city" else f"{table}s",
        number=columns[1],
        one=rng.choice((columns[0], columns[2])),
        two=tuple(rng.sample(columns, 2)),
        sign=rng.choice(tuple(COMPARISONS)),
        value=rng.choice(VALUES),
        order=rng.choice(tuple(ORDERS)),
        aggregate=rng.choice(tuple(AGGREGATES)),
    )


# Each frame gives a question and its SQL. The levels follow Spider's count of clauses, nested queries and columns.
FRAMES = {
    "easy": (
        lambda p: (f"how many {p.tables} are there", f"SELECT count(*) FROM {p.table}"),
        lambda p: (f"show the {p.one} of all {p.tables}", f"SELECT {p.one} FROM {p.table}"),
        lambda p: (
            f"what is the {AGGREGATES[p.aggregate]} {p.number} of {p.tables}",
            f"SELECT {p.aggregate}({p.number}) FROM {p.table}",
        ),
        lambda p: (
            f"how many {p.tables} have {p.compared} {p.value}",
            f"SELECT count(*) FROM {p.table} WHERE {p.number} {p.sign} {p.value}",
        ),
        lambda p: (
            f"show the {p.one} of {p.tables} with {p.compared} {p.value}",
            f"SELECT {p.one} FROM {p.table} WHERE {p.number} {p.sign} {p.value}",
        ),
    ),
    "medium": (
        lambda p: (
            f"show the {p.one} of the {p.table} with the {ORDERS[p.order]} {p.number}",
            f"SELECT {p.one} FROM {p.table} ORDER BY {p.number} {p.order} LIMIT 1",
        ),
        lambda p: (
            f"show the {p.two[0]} and {p.two[1]} of {p.tables} with {p.compared} {p.value}",
            f"SELECT {p.two[0]} , {p.two[1]} FROM {p.table} WHERE {p.number} {p.sign} {p.value}",
        ),
    ),
    "hard": (
        lambda p: (
            f"show the {p.one} of {p.tables} with {p.compared} the average",
            f"SELECT {p.one} FROM {p.table} WHERE {p.number} {p.sign} ( SELECT avg({p.number}) FROM {p.table} )",
        ),
        lambda p: (
            f"of {p.tables} with {p.compared} {p.value} show the {p.one} of the {ORDERS[p.order]}",
            f"SELECT {p.one} FROM {p.table} WHERE {p.number} {p.sign} {p.value} ORDER BY {p.number} {p.order} LIMIT 1",
        ),
    ),
    "extra": (
        lambda p: (
            f"show the {p.two[0]} and {p.two[1]} of {p.tables} with {p.compared} the average",
            f"SELECT {p.two[0]} , {p.two[1]} FROM {p.table} WHERE {p.number} {p.sign}"
            f" ( SELECT avg({p.number}) FROM {p.table} )",
        ),
        lambda p: (
            f"show the {p.two[0]} and {p.two[1]} of {p.tables} with {p.compared} the average of those below {p.value}",
            f"SELECT {p.two[0]} , {p.two[1]} FROM {p.table} WHERE {p.number} {p.sign}"
            f" ( SELECT avg({p.number}) FROM {p.table} WHERE {p.number} < {p.value} )",
        ),
    ),
}


def query(rng: Random, task: bool = False, level: str | None = None) -> Query:
    """A random query, of those that a task, or the pretraining text, may ask; of the given level or of any."""

    def draw() -> Query:
        wanted, chosen = level or rng.choice(tuple(FRAMES)), parts(rng)
        question, sql = rng.choice(FRAMES[wanted])(chosen)
        return Query(chosen.table, wanted, question, sql)

    return draw_for(task, draw, content=lambda drawn: (drawn.sql,))
