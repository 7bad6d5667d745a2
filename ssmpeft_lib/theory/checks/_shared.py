"""What all checks share: how they are found by name, and their generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Numbers = dict[str, float]

CHECKS: dict[str, Callable[..., Numbers]] = {}
"""Every check by its function's name, which `check:` of an erratum gives."""


def check(function: Callable[..., Numbers]) -> Callable[..., Numbers]:
    """Register a function that shows a printed statement failing and the repaired one holding.

    Raises:
        ValueError: another check has that name.
    """
    if function.__name__ in CHECKS:
        raise ValueError(f"two checks of the theory are called {function.__name__!r}")
    CHECKS[function.__name__] = function
    return function


def draws(seed: int = 0) -> np.random.Generator:
    """A seeded generator: every check draws its own instance."""
    return np.random.default_rng(seed)
