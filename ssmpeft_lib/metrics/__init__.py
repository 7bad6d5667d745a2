"""Scores of predictions: one module a metric, each with its variants, and `score_all` over those that a task names.

A file of this folder has what `Metric` says; a function without "by default" has to be there. Start from accuracy.py.
One that other people should load through Hugging Face's `evaluate` has a file in `loadable/` as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ._scoring import missing, score_all

if TYPE_CHECKING:
    from numpy import ndarray

    from ..data import Example

__all__ = ["Metric", "missing", "score_all"]


class Metric(Protocol):
    """What a file of this folder has."""

    VARIANTS: Mapping[str, str]
    """Name of each way to score, with a sentence on it. The first is what the metric means here; `upstream` is the way
    of the authors' code where that differs."""

    def statistics(
        predictions: Sequence[str], examples: Sequence[Example], variant: str, labels: Sequence[str]
    ) -> ndarray:
        """Numbers of each example, float64 [examples, k], whose sums over examples are all that the score depends on.

        A bootstrap resamples these and not texts.
        """

    def reduce(sums: ndarray) -> Mapping[str, ndarray]:
        """Scores by name, each [...], on a 0-100 scale, from sums of statistics [..., k]."""

    def describe(variant: str) -> str:
        """What exactly was computed, with the version of the library."""

    def score(
        predictions: Sequence[str], examples: Sequence[Example], variant: str, labels: Sequence[str]
    ) -> dict[str, float]:
        """The two together: `score = scorer(statistics, reduce, VARIANTS)`."""

    def note(sums: ndarray) -> str:
        """What to know about the scores of some sums of statistics, [k], such as that one is 0 by definition.

        By default nothing.
        """

    def missing() -> str:
        """What of the metric's own data is not there, what that changes, and how to have it. By default nothing."""

    def applies(variant: str, examples: Sequence[Example]) -> bool:
        """Whether a variant can be computed for these examples; by default every one can."""
