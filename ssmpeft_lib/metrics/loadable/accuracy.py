"""Accuracy for `evaluate.load`."""

from ssmpeft_lib.metrics import _evaluate


class Accuracy(_evaluate.LabelMetric):
    """Share of right answers; `labels` names the label words."""

    module = "accuracy"
