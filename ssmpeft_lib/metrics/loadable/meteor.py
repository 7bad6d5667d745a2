"""METEOR for `evaluate.load`."""

from ssmpeft_lib.metrics import _evaluate


class Meteor(_evaluate.TextMetric):
    """METEOR of nltk."""

    module = "meteor"
