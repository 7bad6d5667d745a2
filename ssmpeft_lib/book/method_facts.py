"""What each method trains and where, from the counts that the compute layer made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..compare.join import family_of
from ..plan import registry

REFERENCE = "mamba-130m"
"""The model on whose shapes the methods' defaults are counted."""

Shares = dict[str, dict[str, dict[str, Any]]]


def slots_of(shares: Shares, method: str) -> list[dict[str, Any]]:
    """The slots that a method trains on the reference model, with how and how many numbers."""
    counted = shares.get(REFERENCE, {}).get(method, {}).get("slots", {})
    return [{"slot": slot, "numbers": one["parameters"], "how": one["how"]} for slot, one in counted.items()]


def acting(shares: Shares, slots: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Collect for each slot the families of the methods that train it in any counted form.

    Args:
        shares: counted parameters, by model and method.
        slots: all slots, for methods that train everything.
    """
    found: dict[str, set[str]] = {}
    for method, counted in shares.get(REFERENCE, {}).items():
        trained = counted.get("slots", {})
        for slot in slots if "everything" in trained else trained:
            found.setdefault(slot, set()).add(family_of(method))
    order = list(registry.families())
    return {slot: tuple(sorted(families, key=order.index)) for slot, families in found.items()}


def names() -> list[str]:
    """The methods, by the names of their modules, families together."""
    order = list(registry.families())
    return sorted(registry.files("methods"), key=lambda name: (order.index(family_of(name)), name))
