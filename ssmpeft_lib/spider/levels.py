"""Hardness levels of Spider's questions, by the parts that the reference query has (Yu et al., 2018).

The counts are those of the official evaluation, its oddities included: other counts would be other levels.
"""

from __future__ import annotations

from .grammar import Query

LEVELS = ("easy", "medium", "hard", "extra")


def hardness(query: Query) -> str:
    """The level of a query: easy, medium, hard or extra."""
    conditions = [*query.joined_on[::2], *query.where[::2], *query.having[::2]]
    words = [*query.joined_on[1::2], *query.where[1::2], *query.having[1::2]]
    components = sum(map(bool, (query.where, query.group_by, query.order_by is not None, query.limit)))
    components += max(len(query.tables) - 1, 0) + words.count("or")
    components += sum(condition.comparison == "like" for condition in conditions)
    nested = sum(isinstance(value, Query) for condition in conditions for value in condition.values)
    nested += query.compound is not None
    others = (_aggregates(query) > 1) + (len(query.select) > 1) + (len(query.where) > 1) + (len(query.group_by) > 1)
    if components <= 1 and others == 0 and nested == 0:
        return "easy"
    if nested == 0 and (others <= 2 and components <= 1 or others < 2 and components <= 2):
        return "medium"
    if nested == 0 and (others > 2 and components <= 2 or others <= 2 and 2 < components <= 3):
        return "hard"
    return "hard" if components <= 1 and others == 0 and nested <= 1 else "extra"


def _aggregates(query: Query) -> int:
    """Aggregates as Spider counts them: negated conditions count, and so do the words between HAVING's conditions."""
    ordered = [column for unit in query.order_by or () for column in (unit.left, unit.right) if column]
    return (
        sum(bool(aggregate) for aggregate, _ in query.select)
        + sum(condition.negated for condition in query.where[::2])
        + sum(bool(column.aggregate) for column in (*query.group_by, *ordered))
        + sum(isinstance(item, str) or item.negated for item in query.having)
    )
