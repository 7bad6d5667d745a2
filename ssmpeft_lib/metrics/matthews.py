"""Matthews correlation coefficient (Sec. 4: CoLA), for any number of classes (Gorodkin, 2004)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data._task import Example
from ._labels import encoded
from ._scoring import scorer

VARIANTS = {
    "strict": "Matthews correlation; answers outside the label set are a class of their own that is never right",
    "upstream": "Matthews correlation of the answers in the label set; the others are dropped, as in the authors' code",
}


def statistics(
    predictions: Sequence[str], examples: Sequence[Example], variant: str = "strict", labels: Sequence[str] = ()
) -> np.ndarray:
    """Each example's cell of the confusion matrix [true, predicted], [examples, (classes + 1)^2], and if dropped."""
    predicted, true, outside = encoded(predictions, examples, labels)
    size = outside + 1
    table = np.zeros((len(examples), size * size + 1))
    dropped = (predicted == outside) & (variant == "upstream")
    table[np.arange(len(examples)), np.where(dropped, size * size, true * size + predicted)] = 1
    return table


def reduce(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Correlation times 100, 0 where all answers or all labels are the same, and how many answers were dropped."""
    *batch, cells = sums.shape
    size = int(np.sqrt(cells - 1))
    confusion = sums[..., :-1].reshape(*batch, size, size)
    n = confusion.sum((-2, -1))
    true, predicted = confusion.sum(-1), confusion.sum(-2)
    covariance = np.trace(confusion, axis1=-2, axis2=-1) * n - (true * predicted).sum(-1)
    spread = np.sqrt((n**2 - (true**2).sum(-1)) * (n**2 - (predicted**2).sum(-1)))
    correlation = np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 0)
    return {"matthews": 100 * correlation, "dropped": sums[..., -1]}


def note(sums: np.ndarray) -> str:
    """Say where the correlation is 0 because one of the two never varies."""
    size = int(np.sqrt(len(sums) - 1))
    confusion = sums[:-1].reshape(size, size)
    constant = [what for what, axis in (("answers", 0), ("labels", 1)) if (confusion.sum(axis) > 0).sum() < 2]
    return f"Matthews 0 by definition, as all {' and all '.join(constant)} are the same" if constant else ""


def describe(variant: str) -> str:
    """What the variant computes."""
    return VARIANTS[variant]


score = scorer(statistics, reduce, VARIANTS)
