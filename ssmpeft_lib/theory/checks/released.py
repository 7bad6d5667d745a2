"""Checks of the released code for Mamba: what its rules of scoring do."""

from __future__ import annotations

import sqlite3

from ...data._task import Example
from ...metrics import accuracy
from ._shared import Numbers, check


@check
def dropped_answers() -> Numbers:
    """Released metric of GLUE: accuracy of one right answer beside three that are no label, by either rule."""
    examples = [Example("", label) for label in "0101"]
    found = {rule: accuracy.score(["0", "no", "", "2"], examples, rule, ["0", "1"]) for rule in ("upstream", "strict")}
    return {"released": float(found["upstream"]["accuracy"]), "here": float(found["strict"]["accuracy"])}


@check
def lower_cased_literals() -> Numbers:
    """Released metric of Spider: rows that a query finds as it is written, and in lower case."""
    query = "SELECT age FROM people WHERE name = 'Smith'"
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE people (name TEXT, age INTEGER)")
        database.execute("INSERT INTO people VALUES ('Smith', 40)")
        rows = {text: len(database.execute(text).fetchall()) for text in (query, query.lower())}
    return {"rows as written": rows[query], "rows in lower case": rows[query.lower()]}
