"""Miniature of Spider: questions, SQL and SQLite databases, each of two tables; the development databases are new.

The tables of a development database occur in training, but in other company. Its questions do not.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from random import Random

from .drawing import draw_splits
from .language.queries import TABLES, Query, query
from .language.words import PEOPLE

SIZES = {"train_spider": 1280, "dev": 128}
LEVELS = {"easy": 5, "medium": 8, "hard": 4, "extra": 3}
"""Shares of the levels, in twentieths, as in the original's development set."""

ROWS = 12
COUNTRIES = ("france", "spain", "japan", "chile", "kenya", "india")
PAIRS = tuple(combinations(TABLES, 2))
DEV_PAIRS = (("singer", "city"), ("shop", "book"), ("car", "team"))
DATABASES = {"train_spider": tuple(pair for pair in PAIRS if pair not in DEV_PAIRS), "dev": DEV_PAIRS}
"""The databases of each split: pairs of tables."""


def splits(seed: int) -> dict[str, list[tuple[Query, tuple[str, str]]]]:
    """The queries by split, each with its database; no two have the same question."""
    rng = Random(f"spider {seed}")
    levels = [level for level, share in LEVELS.items() for _ in range(share)]
    drawn = draw_splits(
        lambda kind: query(rng, task=True, level=levels[kind]),
        kinds=len(levels),
        sizes=SIZES,
        rng=rng,
        key=lambda item: item.question,
    )
    return {split: [(item, rng.choice(holding(split, item.table))) for item in items] for split, items in drawn.items()}


def holding(split: str, table: str) -> list[tuple[str, str]]:
    """The databases of a split that hold a table."""
    return [pair for pair in DATABASES[split] if table in pair]


def column_type(column: str) -> str:
    """Type of a column in `tables.json` and in SQLite: number or text."""
    return "number" if column in {columns[1] for columns in TABLES.values()} else "text"


def schema(pair: tuple[str, str]) -> dict:
    """A database's entry in `tables.json`."""
    columns = [(-1, "*"), *((number, column) for number, table in enumerate(pair) for column in TABLES[table])]
    keys = {table: columns.index((number, "name")) for number, table in enumerate(pair)}
    return {
        "column_names": columns,
        "column_names_original": columns,
        "column_types": ["text", *(column_type(column) for _, column in columns[1:])],
        "db_id": "_".join(pair),
        "foreign_keys": [(at, keys[column]) for at, (_, column) in enumerate(columns) if column in pair],
        "primary_keys": list(keys.values()),
        "table_names": pair,
        "table_names_original": pair,
    }


def rows(table: str, rng: Random) -> Iterator[tuple]:
    """Rows of a table: a different name and a different number each."""
    numbers = rng.sample(range(1, 18), ROWS)
    for name, number in zip(names(table), numbers, strict=True):
        yield name, number, rng.choice(names(TABLES[table][2]))


def names(what: str) -> tuple[str, ...]:
    """Names of what a table holds or a text column speaks of."""
    if what == "country":
        return COUNTRIES
    return PEOPLE if what in ("singer", "owner", "author") else tuple(f"{what} {letter}" for letter in "abcdefghijkl")


def write_database(path: Path, pair: tuple[str, str], seed: int) -> None:
    """Write the SQLite file of a database anew: its two tables with their keys, and rows that depend on the seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    rng = Random(f"spider {pair} {seed}")
    connection = sqlite3.connect(path)
    for table in pair:
        columns = ", ".join(f"{column} {column_type(column)}" for column in TABLES[table])
        links = "".join(f", foreign key ({c}) references {c} (name)" for c in TABLES[table] if c in pair)
        connection.execute(f"create table {table} ({columns}, primary key (name){links})")
        connection.executemany(f"insert into {table} values (?, ?, ?)", rows(table, rng))
    connection.commit()
    connection.close()


def write(name: str, folder: Path, seed: int = 0) -> None:
    """Write `train_spider.json`, `dev.json`, `tables.json` and the SQLite file of each database."""
    target = folder / "spider"
    target.mkdir(parents=True, exist_ok=True)
    for split, items in splits(seed).items():
        questions = [question(item, pair) for item, pair in items]
        (target / f"{split}.json").write_text(json.dumps(questions, indent=2), encoding="utf-8")
    (target / "tables.json").write_text(json.dumps(list(map(schema, PAIRS)), indent=2), encoding="utf-8")
    for pair in PAIRS:
        db_id = "_".join(pair)
        write_database(target / "database" / db_id / f"{db_id}.sqlite", pair, seed)


def question(item: Query, pair: tuple[str, str]) -> dict:
    """A question's entry in the JSON file."""
    return {
        "db_id": "_".join(pair),
        "query": item.sql,
        "query_toks": item.sql.split(),
        "question": f"{item.question}?",
        "question_toks": [*item.question.split(), "?"],
    }
