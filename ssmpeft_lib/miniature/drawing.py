"""Drawing examples without repetition, so that nothing that is tested on was trained on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from random import Random
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 2000
"""Draws in a row that bring nothing new before a generator counts as exhausted."""


def draw_splits(
    draw: Callable[[int], T], kinds: int, sizes: dict[str, int], rng: Random, key: Callable[[T], object]
) -> dict[str, list[T]]:
    """Splits of the given sizes, all of whose items differ in `key`, each with equal shares of the kinds.

    Args:
        draw: `draw(kind)` makes a random item of a kind 0, 1, ..., for example with a label.
        kinds: how many kinds there are.
        sizes: items of each split.
    Raises:
        ValueError: a kind has fewer different items than that.
    """
    total = sum(sizes.values())
    seen: set[object] = set()
    # all items of a kind are drawn before they are dealt out: short sentences run out first
    by_kind = [distinct(draw, kind, len(range(kind, total, kinds)), seen, key) for kind in range(kinds)]
    for items in by_kind:
        rng.shuffle(items)
    supply = (by_kind[number % kinds][number // kinds] for number in range(total))
    return {split: shuffled(list(islice(supply, size)), rng) for split, size in sizes.items()}


def distinct(draw: Callable[[int], T], kind: int, count: int, seen: set[object], key: Callable[[T], object]) -> list[T]:
    """`count` items of a kind with keys that are not in `seen` yet; adds them there."""
    items: list[T] = []
    misses = 0
    while len(items) < count:
        item = draw(kind)
        if key(item) in seen:
            misses += 1
            if misses > PATIENCE:
                raise ValueError(f"kind {kind} has only {len(items)} different examples, {count} are wanted")
            continue
        misses = 0
        seen.add(key(item))
        items.append(item)
    return items


def shuffled(items: list[T], rng: Random) -> list[T]:
    """The items in random order, as a new list."""
    return rng.sample(items, len(items))
