"""What each method trains and where, from the counts that the compute layer made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..compare.join import family_of
from ..plan import registry
from ..plan.families import FAMILIES

REFERENCE = "mamba-130m"
"""The model on whose shapes the methods' defaults are counted."""

HOW = {
    "LowRank": "a low-rank update",
    "ComplexLowRank": "a low-rank update of complex numbers",
    "Magnitude": "a low-rank update and a magnitude for each row",
    "Dense": "every entry",
    "Sparse": "the chosen entries",
    "SparseOrSilent": "the chosen entries, others silenced",
    "LearnedStart": "the state before the first token",
    "PrefixStart": "the state that a learned prefix leaves behind",
    "SoftPrompt": "embeddings in front of the input",
}

ORDER = tuple(FAMILIES)

Shares = dict[str, dict[str, dict[str, Any]]]


def slots_of(shares: Shares, method: str) -> list[dict[str, Any]]:
    """The slots that a method trains on the reference model, with how and how many numbers."""
    counted = shares.get(REFERENCE, {}).get(method, {}).get("slots", {})
    return [
        {"slot": slot, "numbers": one["parameters"], "how": HOW.get(one["how"], "every parameter")}
        for slot, one in counted.items()
    ]


def acting(shares: Shares, slots: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """For each slot, the families of the methods that train it in any counted form.

    Args:
        shares: counted parameters, by model and method.
        slots: all slots, for methods that train everything.
    """
    found: dict[str, set[str]] = {}
    for method, counted in shares.get(REFERENCE, {}).items():
        trained = counted.get("slots", {})
        for slot in slots if "everything" in trained else trained:
            found.setdefault(slot, set()).add(family_of(method))
    return {slot: tuple(sorted(families, key=ORDER.index)) for slot, families in found.items()}


def names() -> list[str]:
    """The methods, by the names of their modules, families together."""
    return sorted(registry.files("methods"), key=lambda name: (ORDER.index(family_of(name)), name))
