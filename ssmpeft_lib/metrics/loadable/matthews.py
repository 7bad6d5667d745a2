"""Matthews correlation for `evaluate.load`."""

from ssmpeft_lib.metrics import _evaluate


class Matthews(_evaluate.LabelMetric):
    """Correlation of answers and labels; `labels` names the label words."""

    module = "matthews"
