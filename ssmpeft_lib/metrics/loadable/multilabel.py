"""Accuracy of many answers at once for `evaluate.load`."""

from ssmpeft_lib.metrics import _evaluate


class Multilabel(_evaluate.GroupedMetric):
    """Average accuracy, and overall accuracies of groups."""

    module = "multilabel"
