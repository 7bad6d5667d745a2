"""The part of SQL that Spider's own evaluation understands (Yu et al., 2018).

Whatever that evaluation cannot parse is an error here too: its execution accuracy counts such answers as wrong even
where they run, and the `upstream` score has to do the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .tokens import tokenize

CLAUSES = ("select", "from", "where", "group", "order", "limit", "intersect", "union", "except")
JOINS = ("join", "on", "as")
COMPARISONS = ("not", "between", "=", ">", "<", ">=", "<=", "!=", "in", "like", "is", "exists")
OPERATORS = ("-", "+", "*", "/")
AGGREGATES = ("max", "min", "count", "sum", "avg")
COMPOUNDS = ("intersect", "union", "except")

Schema = Mapping[str, Sequence[str]]
"""Tables of a database with their columns, all in lower case."""


class Column(NamedTuple):
    """A column, `table.column` or `*`, with the aggregate around it."""

    aggregate: str
    name: str
    distinct: bool


class Unit(NamedTuple):
    """A column, or two joined by an arithmetic operator."""

    operator: str
    left: Column
    right: Column | None


class Condition(NamedTuple):
    """A comparison; `values` are literals, columns or queries."""

    negated: bool
    comparison: str
    unit: Unit
    values: tuple


@dataclass
class Query:
    """A parsed query. Lists of conditions alternate with the words between them."""

    select: list[tuple[str, Unit]] = field(default_factory=list)
    tables: list = field(default_factory=list)
    joined_on: list = field(default_factory=list)
    where: list = field(default_factory=list)
    group_by: list[Column] = field(default_factory=list)
    having: list = field(default_factory=list)
    order_by: list[Unit] | None = None
    limit: bool = False
    compound: Query | None = None


def parse(sql: str, schema: Schema) -> Query:
    """Parse a query.

    Raises:
        ValueError: Spider's evaluation cannot parse it.
    """
    try:
        tokens = tokenize(sql)
        return _Parser(tokens, schema, _names(tokens, schema)).query(0)[1]
    except (LookupError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def selected(query: Query, same: Mapping[str, str]) -> list[tuple]:
    """What names the columns of a query's result when two results are compared by column.

    Args:
        query: parsed.
        same: for columns that a foreign key joins, the one that stands for all of them.
    """

    def key(column: Column) -> tuple:
        table = column.name.partition(".")[0]
        name = same.get(column.name, column.name) if table in query.tables else column.name
        return (column.aggregate, name)

    return [
        key(unit.left) if unit.right is None else (unit.operator, key(unit.left), key(unit.right))
        for _, unit in query.select
    ]


def _names(tokens: list[str], schema: Schema) -> dict[str, str]:
    """The table that each name in a query stands for: aliases hold in the whole of it."""
    aliases = {tokens[i + 1]: tokens[i - 1] for i, token in enumerate(tokens) if token == "as"}
    clash = next((table for table in schema if table in aliases), None)
    if clash:
        raise ValueError(f"the alias {clash} is the name of a table")
    return aliases | {table: table for table in schema}


class _Parser:
    """Recursive descent; each method takes a position and returns the next one with what it found."""

    def __init__(self, tokens: list[str], schema: Schema, names: Mapping[str, str]) -> None:
        self.tokens, self.schema, self.names = tokens, schema, names

    def query(self, at: int) -> tuple[int, Query]:
        bracket = self.is_at(at, "(")
        found = Query()
        after_from, tables = self.from_clause(at, found)
        self.select_clause(at + bracket, found, tables)
        at = after_from
        if self.is_at(at, "where"):
            at, found.where = self.conditions(at + 1, tables)
        if self.is_at(at, "group"):
            at, found.group_by = self.listed(self.expect(at + 1, "by"), tables, self.column)
        if self.is_at(at, "having"):
            at, found.having = self.conditions(at + 1, tables)
        if self.is_at(at, "order"):
            at, found.order_by = self.listed(self.expect(at + 1, "by"), tables, self.ordered_unit)
        if self.is_at(at, "limit"):
            if at + 1 == len(self.tokens):
                self.fail(at + 1, "a number")
            at, found.limit = at + 2, True
        at = self.skip_semicolons(at)
        if bracket:
            at = self.expect(at, ")")
        at = self.skip_semicolons(at)
        if self.is_at(at, *COMPOUNDS):
            at, found.compound = self.query(at + 1)
        return at, found

    def from_clause(self, at: int, found: Query) -> tuple[int, list[str]]:
        at = self.tokens.index("from", at) + 1 if "from" in self.tokens[at:] else self.fail(at, "from")
        tables: list[str] = []
        while at < len(self.tokens):
            bracket = self.is_at(at, "(")
            at += bracket
            if self.is_at(at, "select"):
                at, nested = self.query(at)
                found.tables.append(nested)
            else:
                at += self.is_at(at, "join")
                table = self.names[self.tokens[at]]
                if table not in self.schema:
                    self.fail(at, "a table")
                at += 3 if self.is_at(at + 1, "as") else 1
                found.tables.append(table)
                tables.append(table)
            if self.is_at(at, "on"):
                at, conditions = self.conditions(at + 1, tables)
                found.joined_on += ["and", *conditions] if found.joined_on else conditions
            if bracket:
                at = self.expect(at, ")")
            if self.is_at(at, *CLAUSES, ")", ";"):
                break
        return at, tables

    def select_clause(self, at: int, found: Query, tables: list[str]) -> None:
        at = self.expect(at, "select")
        at += self.is_at(at, "distinct")
        while at < len(self.tokens) and self.tokens[at] not in CLAUSES:
            aggregate = self.tokens[at] if self.tokens[at] in AGGREGATES else ""
            at, unit = self.unit(at + bool(aggregate), tables)
            found.select.append((aggregate, unit))
            at += self.is_at(at, ",")

    def conditions(self, at: int, tables: list[str]) -> tuple[int, list]:
        found: list = []
        while at < len(self.tokens):
            at, unit = self.unit(at, tables)
            negated = self.is_at(at, "not")
            at += negated
            comparison = self.tokens[at]
            if comparison not in COMPARISONS:
                self.fail(at, "a comparison")
            at, value = self.value(at + 1, tables)
            values = (value,)
            if comparison == "between":
                at, value = self.value(self.expect(at, "and"), tables)
                values = (*values, value)
            found.append(Condition(negated, comparison, unit, values))
            if at == len(self.tokens) or self.is_at(at, *CLAUSES, *JOINS, ")", ";"):
                break
            if not self.is_at(at, "and", "or"):
                self.fail(at, "and or or")
            found.append(self.tokens[at])
            at += 1
        return at, found

    def value(self, at: int, tables: list[str]) -> tuple[int, object]:
        start = at
        bracket = self.is_at(at, "(")
        at += bracket
        if self.is_at(at, "select"):
            at, found = self.query(at)
        elif '"' in self.tokens[at]:
            at, found = at + 1, self.tokens[at]
        else:
            try:
                at, found = at + 1, float(self.tokens[at])
            except ValueError:
                ends = (*CLAUSES, *JOINS, ",", ")", "and")
                while at < len(self.tokens) and self.tokens[at] not in ends:
                    at += 1
                found = _Parser(self.tokens[start:at], self.schema, self.names).column(0, tables)[1]
        return (self.expect(at, ")") if bracket else at), found

    def unit(self, at: int, tables: list[str]) -> tuple[int, Unit]:
        bracket = self.is_at(at, "(")
        at, left = self.column(at + bracket, tables)
        operator, right = "", None
        if self.is_at(at, *OPERATORS):
            operator = self.tokens[at]
            at, right = self.column(at + 1, tables)
        return (self.expect(at, ")") if bracket else at), Unit(operator, left, right)

    def ordered_unit(self, at: int, tables: list[str]) -> tuple[int, Unit]:
        at, unit = self.unit(at, tables)
        return at + self.is_at(at, "asc", "desc"), unit

    def column(self, at: int, tables: list[str]) -> tuple[int, Column]:
        bracket = self.is_at(at, "(")
        at += bracket
        if self.tokens[at] in AGGREGATES:
            aggregate = self.tokens[at]
            at = self.expect(at + 1, "(")
            distinct = self.is_at(at, "distinct")
            name = self.column_name(at + distinct, tables)
            # The bracket before an aggregate is never closed in Spider's grammar.
            return self.expect(at + distinct + 1, ")"), Column(aggregate, name, distinct)
        distinct = self.is_at(at, "distinct")
        name = self.column_name(at + distinct, tables)
        at += distinct + 1
        return (self.expect(at, ")") if bracket else at), Column("", name, distinct)

    def column_name(self, at: int, tables: list[str]) -> str:
        token = self.tokens[at]
        if token == "*":
            return token
        if "." in token:
            alias, column = token.split(".")
            table = self.names[alias]
            return f"{table}.{column}" if column in self.schema[table] else self.fail(at, "a column")
        table = next((table for table in tables if token in self.schema[table]), None)
        return f"{table}.{token}" if table else self.fail(at, "a column")

    def listed(self, at: int, tables: list[str], item) -> tuple[int, list]:
        found = []
        while at < len(self.tokens) and not self.is_at(at, *CLAUSES, ")", ";"):
            at, one = item(at, tables)
            found.append(one)
            if not self.is_at(at, ","):
                break
            at += 1
        return at, found

    def is_at(self, at: int, *words: str) -> bool:
        return at < len(self.tokens) and self.tokens[at] in words

    def expect(self, at: int, word: str) -> int:
        return at + 1 if self.is_at(at, word) else self.fail(at, word)

    def skip_semicolons(self, at: int) -> int:
        while self.is_at(at, ";"):
            at += 1
        return at

    def fail(self, at: int, wanted: str):
        got = self.tokens[at] if at < len(self.tokens) else "the end"
        raise ValueError(f"token {at + 1} is {got!r}, needs {wanted}")
