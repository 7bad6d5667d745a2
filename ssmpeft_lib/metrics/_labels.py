"""Answers and labels of a classification as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data._task import Example


def encoded(
    predictions: Sequence[str], examples: Sequence[Example], labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Predicted and true labels as positions in the label set, and its size; an answer outside it is that size.

    Raises:
        ValueError: an example's label is outside the label set.
    """
    words = list(labels) or sorted({example.label for example in examples})
    position = {word: i for i, word in enumerate(words)}
    outside = next((example.label for example in examples if example.label not in position), None)
    if outside is not None:
        raise ValueError(f"an example has the label {outside!r}, which is none of {', '.join(words)}")
    true = np.array([position[example.label] for example in examples])
    predicted = np.array([position.get(prediction, len(words)) for prediction in predictions])
    return predicted, true, len(words)
