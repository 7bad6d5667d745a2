"""Scores of predictions: one module a metric, each with its variants, and `score_all` over those that a task names.

A metric module has

- `VARIANTS`: name of each way to score, with a sentence on it; the first is what the metric means here, `upstream`
  is the way of the authors' code where that differs;
- `statistics(predictions, examples, variant, labels)`: numbers of each example, float64 [examples, k], of which sums
  over examples are all that the score depends on, so that a bootstrap resamples these and not texts;
- `reduce(sums)`: sums [..., k] to scores, by name, each [...], on a 0-100 scale;
- `describe(variant)`: what exactly was computed, with the version of the library;
- `score(predictions, examples, variant, labels)`: the two together.
"""

from ._scoring import score_all

__all__ = ["score_all"]
