"""ROUGE-1, ROUGE-2 and ROUGE-L of summaries (Sec. 4: SAMSum; Lin, 2004), by the package rouge_score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data._task import Example
from ._scoring import scorer

VARIANTS = {
    "rouge_score": "mean F1 over examples, lower-cased, no stemming, ROUGE-L over the whole text; evaluate's `rouge`, "
    "which the paper reports, gives the median of a bootstrap of the same mean",
}

NAMES = ("rouge1", "rouge2", "rougeL")


def statistics(
    predictions: Sequence[str], examples: Sequence[Example], variant: str = "rouge_score", labels: Sequence[str] = ()
) -> np.ndarray:
    """The three F1 of each example, against the best reference, and a 1 to count it, [examples, 4]."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(NAMES, use_stemmer=False)
    table = np.ones((len(examples), len(NAMES) + 1))
    for row, prediction, example in zip(table, predictions, examples, strict=True):
        found = scorer.score_multi(example.references, prediction)
        row[:-1] = [found[name].fmeasure for name in NAMES]
    return table


def reduce(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Mean F1 in percent."""
    return {name: 100 * sums[..., i] / sums[..., -1] for i, name in enumerate(NAMES)}


def describe(variant: str) -> str:
    """What the variant computes, with the version of the package."""
    from importlib.metadata import version

    return f"{VARIANTS[variant]}; rouge_score {version('rouge_score')}"


score = scorer(statistics, reduce, VARIANTS)
