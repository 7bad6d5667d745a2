"""What all checks share: how they are found by name, and their generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...plan.named import register_in

Numbers = dict[str, float]

CHECKS: dict[str, Callable[..., Numbers]] = {}
"""Every check by its function's name, which `check:` of an erratum gives."""

check = register_in(CHECKS, "checks of the theory")
"""Register a function that shows a printed statement failing and the repaired one holding."""


def draws(seed: int = 0) -> np.random.Generator:
    """A seeded generator: every check draws its own instance."""
    return np.random.default_rng(seed)
