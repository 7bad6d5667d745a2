"""Many yes-or-no answers at once (Sec. D.5: CelebA): how many are right, and how often a whole group is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data._task import Example
from ._scoring import scorer

VARIANTS = {
    "paper": "average accuracy over all tasks; for each group the share of examples with every task of it right; an "
    "answer that is missing is wrong",
}

GROUPS = ("easy", "medium", "hard")


def statistics(
    predictions: Sequence[str], examples: Sequence[Example], variant: str = "paper", labels: Sequence[str] = ()
) -> np.ndarray:
    """Share of right tasks, whole groups right, all right, and a 1 to count the example, [examples, 6].

    `info["levels"]` of an example has the first letter of each task's group.
    """
    table = np.ones((len(examples), len(GROUPS) + 3))
    for row, prediction, example in zip(table, predictions, examples, strict=True):
        wanted, given = example.label.split(), prediction.split()
        right = np.array([i < len(given) and given[i] == word for i, word in enumerate(wanted)])
        levels = np.array(list(example.info["levels"]))
        row[:-1] = right.mean(), *(right[levels == group[0]].all() for group in GROUPS), right.all()
    return table


def reduce(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Average accuracy and overall accuracies in percent."""
    names = ("average_accuracy", *(f"overall_{group}" for group in GROUPS), "overall_all")
    return {name: 100 * sums[..., i] / sums[..., -1] for i, name in enumerate(names)}


def describe(variant: str) -> str:
    """What the variant computes."""
    return VARIANTS[variant]


score = scorer(statistics, reduce, VARIANTS)
