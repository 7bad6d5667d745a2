"""When two results of a query are the same: rows as a bag, columns in any order (Zhong et al., 2020)."""

from __future__ import annotations

from collections import Counter

Rows = list[tuple]


def same_result(gold: Rows, predicted: Rows, ordered: bool) -> bool:
    """Whether some order of the columns makes the two results equal.

    Two results without rows are the same, whatever their columns.

    Args:
        gold: rows of the reference.
        predicted: rows of the answer.
        ordered: whether the order of the rows counts.
    """
    if len(gold) != len(predicted):
        return False
    if not gold:
        return True
    if len(gold[0]) != len(predicted[0]):
        return False
    wanted, offered = list(zip(*gold, strict=True)), list(zip(*predicted, strict=True))
    if ordered:
        return Counter(wanted) == Counter(offered)
    return _same_bag(wanted, offered)


def _same_bag(wanted: list[tuple], offered: list[tuple]) -> bool:
    """Whether the offered columns can be put in an order in which the rows are the same bag as the wanted ones."""
    wanted_values = [_values(column) for column in wanted]
    offered_values = [_values(column) for column in offered]
    if Counter(wanted_values) != Counter(offered_values):
        return False

    def extend(chosen: list[int]) -> bool:
        # Rows of the columns chosen so far must agree already: this cuts off nearly every wrong order at once.
        if Counter(zip(*wanted[: len(chosen)])) != Counter(zip(*(offered[i] for i in chosen))):  # noqa: B905
            return False
        if len(chosen) == len(wanted):
            return True
        tried = set()
        for i, column in enumerate(offered):
            if i not in chosen and column not in tried and offered_values[i] == wanted_values[len(chosen)]:
                tried.add(column)
                if extend([*chosen, i]):
                    return True
        return False

    return extend([])


def _values(column: tuple) -> frozenset:
    return frozenset(Counter(column).items())
