"""Corpus BLEU-4 with several references (Sec. 4: DART; Papineni et al., 2002)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..data._task import Example
from ._scoring import scorer

VARIANTS = {
    "paper": "BLEU of evaluate's `bleu` (TF-NMT): 13a tokens, case kept, shortest reference's length, no smoothing",
    "sacrebleu": "BLEU of sacrebleu: length of the closest reference, exponential smoothing",
}

ORDER = 4


def statistics(
    predictions: Sequence[str], examples: Sequence[Example], variant: str = "paper", labels: Sequence[str] = ()
) -> np.ndarray:
    """Matching and possible n-grams of orders 1 to 4, lengths of answer and reference, and whether sacrebleu."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenizer = Tokenizer13a()
    sacrebleu = variant == "sacrebleu"

    def tokens(text: str) -> list[str]:
        return tokenizer(text.rstrip() if sacrebleu else text).split()

    table = np.zeros((len(examples), 2 * ORDER + 3))
    for row, prediction, example in zip(table, predictions, examples, strict=True):
        answer, references = tokens(prediction), [tokens(text) for text in example.references]
        row[:ORDER], row[ORDER : 2 * ORDER] = _matches(answer, references)
        lengths = sorted(map(len, references))
        length = min(lengths, key=lambda known: abs(known - len(answer))) if sacrebleu else lengths[0]
        row[2 * ORDER :] = len(answer), length, sacrebleu
    return table


def reduce(sums: np.ndarray) -> dict[str, np.ndarray]:
    """BLEU in percent."""
    matches, possible = sums[..., :ORDER], sums[..., ORDER : 2 * ORDER]
    answer, reference, sacrebleu = np.moveaxis(sums[..., 2 * ORDER :], -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        none = matches == 0
        # sacrebleu takes 1/2, 1/4, ... of one match for the orders that have none, if any order has one.
        smoothed = np.where(none & (sacrebleu > 0)[..., None], 0.5 ** np.cumsum(none, axis=-1), matches)
        smoothed = np.where(none.all(-1, keepdims=True), 0, smoothed)
        precision = np.where(possible > 0, smoothed / possible, 0)
        brevity = np.exp(np.minimum(0, 1 - reference / answer))
        bleu = 100 * brevity * np.exp(np.log(precision).mean(-1))
    return {"bleu": np.where(answer > 0, bleu, 0.0)}


def describe(variant: str) -> str:
    """What the variant computes; for sacrebleu its signature."""
    import sacrebleu

    if variant == "sacrebleu":
        return f"nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    return f"{VARIANTS[variant]}; tokenizer of sacrebleu {sacrebleu.__version__}"


def _matches(answer: list[str], references: list[list[str]]) -> tuple[list[int], list[int]]:
    """Count for each order the n-grams of the answer that a reference has too, as often as there, and all of them."""
    matching, possible = [], []
    for order in range(1, ORDER + 1):
        found = _ngrams(answer, order)
        known: Counter = Counter()
        for reference in references:
            known |= _ngrams(reference, order)
        matching.append((found & known).total())
        possible.append(found.total())
    return matching, possible


def _ngrams(tokens: list[str], order: int) -> Counter:
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


score = scorer(statistics, reduce, VARIANTS)
