"""Mean squared error of series of numbers (Figures 1 and 2), and the share of the variance that is explained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data._task import Example
from ._scoring import scorer

VARIANTS = {"numbers": "mean over all numbers of all series; r2 is 100 (1 - mse / variance), at most 100"}


def statistics(
    predictions: Sequence[str], examples: Sequence[Example], variant: str = "numbers", labels: Sequence[str] = ()
) -> np.ndarray:
    """Squared errors, numbers, their sum and their sum of squares, [examples, 4].

    Raises:
        ValueError: a prediction has not as many numbers as its label, or is no numbers.
    """
    rows = []
    for prediction, example in zip(predictions, examples, strict=True):
        said, true = (np.array(text.split(), dtype=np.float64) for text in (prediction, example.label))
        if said.shape != true.shape:
            raise ValueError(f"a prediction has {len(said)} numbers, and its label {len(true)}")
        rows.append([np.square(said - true).sum(), len(true), true.sum(), np.square(true).sum()])
    return np.array(rows)


def reduce(sums: np.ndarray) -> dict[str, np.ndarray]:
    """The mean squared error, and R^2 in percent, of which more is better."""
    errors, numbers, total, squares = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mse, variance = errors / numbers, squares / numbers - (total / numbers) ** 2
        return {"mse": mse, "r2": 100 * (1 - mse / variance)}


def describe(variant: str) -> str:
    """What the variant computes."""
    return VARIANTS[variant]


score = scorer(statistics, reduce, VARIANTS)
