"""Accuracy of classification answers (Sec. 4: GLUE but CoLA, CIFAR-10)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data._task import Example
from ._labels import encoded
from ._scoring import scorer

VARIANTS = {
    "strict": "share of right answers; an answer outside the label set is wrong",
    "upstream": "share of right answers among those in the label set; the others are dropped, as in the authors' code",
}


def statistics(
    predictions: Sequence[str], examples: Sequence[Example], variant: str = "strict", labels: Sequence[str] = ()
) -> np.ndarray:
    """Right answers, answers that count, and dropped answers, [examples, 3]."""
    predicted, true, outside = encoded(predictions, examples, labels)
    dropped = (predicted == outside) & (variant == "upstream")
    return np.stack([predicted == true, ~dropped, dropped], axis=1).astype(np.float64)


def reduce(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy in percent, and how many answers were dropped."""
    right, counted, dropped = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore"):
        return {"accuracy": 100 * right / counted, "dropped": dropped}


def describe(variant: str) -> str:
    """What the variant computes."""
    return VARIANTS[variant]


score = scorer(statistics, reduce, VARIANTS)
