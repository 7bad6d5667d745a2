"""ROUGE for `evaluate.load`."""

from ssmpeft_lib.metrics import _evaluate


class Rouge(_evaluate.TextMetric):
    """ROUGE-1, ROUGE-2 and ROUGE-L."""

    module = "rouge"
