"""Execution accuracy for `evaluate.load`."""

from ssmpeft_lib.metrics import _evaluate


class SpiderExec(_evaluate.QueryMetric):
    """Execution accuracy on Spider."""

    module = "spider_exec"
