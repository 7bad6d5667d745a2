"""What all checks share."""

from __future__ import annotations

import numpy as np

Numbers = dict[str, float]


def draws(seed: int = 0) -> np.random.Generator:
    """A seeded generator: every check draws its own instance."""
    return np.random.default_rng(seed)
