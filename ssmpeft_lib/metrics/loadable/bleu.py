"""BLEU for `evaluate.load`."""

from ssmpeft_lib.metrics import _evaluate


class Bleu(_evaluate.TextMetric):
    """Corpus BLEU with several references."""

    module = "bleu"
