"""An n-gram model with modified Kneser-Ney smoothing: a language model must beat it to have learned more than counts.

As in Chen and Goodman (1998), Section 3.2, with the discounts of each order estimated from its counts of counts. Only
the tables that scoring needs are kept, as sorted arrays, so that tens of millions of tokens take minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .encoded_text import EncodedText

ORDER = 5

ABSENT = -1
"""In place of the number of an n-gram that the training text does not have."""


@dataclass(frozen=True)
class Order:
    """The n-grams of one length.

    Attributes:
        keys: number of the context times the vocabulary plus the last token, sorted, int64, shape [n-grams]; an n-gram
            is numbered by its place here, a context by its place among the (n-1)-grams.
        shares: (count - discount) / total of the context, shape [n-grams]; for all but the longest, the count is that
            of the different tokens that stand before the n-gram.
        rest: what the discounts leave to shorter contexts, shape [contexts].
    """

    keys: np.ndarray
    shares: np.ndarray
    rest: np.ndarray


class KneserNey:
    """An interpolated n-gram model of token ids.

    Args:
        tokens: ids of the training text, one document after another.
        vocabulary: number of different ids.
        order: length of the longest n-grams.
    Raises:
        ValueError: the text is shorter than the longest n-gram.
    """

    def __init__(self, tokens: np.ndarray, vocabulary: int, order: int = ORDER) -> None:
        if len(tokens) <= order:
            raise ValueError(f"{len(tokens)} tokens are too few for an n-gram model of order {order}")
        self.vocabulary = vocabulary
        self.orders: list[Order] = []
        # numbers of the n-grams that end at each token, and the (n-1)-grams before it
        numbers = np.zeros(len(tokens), dtype=np.int64)
        lower: tuple[np.ndarray, int] | None = None
        for length in range(1, order + 1):
            contexts = int(numbers.max()) + 1
            keys = numbers[:-1] * vocabulary + tokens[length - 1 :] if length > 1 else tokens.astype(np.int64)
            found, first, ends, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
            if lower is not None:
                # the n-gram without its first token ends at the same place, one further on in the shorter ones' array
                before = np.bincount(lower[0][first + 1], minlength=lower[1])
                self._finish(before)
            self._pending = found, contexts, counts
            lower = ends, len(found)
            numbers = ends
        self._finish(self._pending[2])

    def bits(self, text: EncodedText) -> float:
        """Bits that the model needs for all tokens of a text but each document's first."""
        tokens = text.tokens.astype(np.int64)
        predicted = np.ones(len(tokens), dtype=bool)
        predicted[[0, *text.ends[:-1]]] = False
        return float(-np.log2(self.probabilities(tokens)[predicted]).sum())

    def probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """Probability of each token behind up to order - 1 tokens before it, shape [tokens]."""
        tokens = np.asarray(tokens, dtype=np.int64)
        probability = np.full(len(tokens), 1 / self.vocabulary)
        contexts = np.zeros(len(tokens), dtype=np.int64)
        for order in self.orders:
            known = np.flatnonzero(contexts != ABSENT)
            keys = contexts[known] * self.vocabulary + tokens[known]
            places = np.minimum(np.searchsorted(order.keys, keys), len(order.keys) - 1)
            there = order.keys[places] == keys
            probability[known] = np.where(there, order.shares[places], 0.0) + (
                order.rest[contexts[known]] * probability[known]
            )
            numbers = np.full(len(tokens), ABSENT)
            numbers[known[there]] = places[there]
            # the n-gram that ends at a token is the context of the next one
            contexts = np.concatenate([[ABSENT], numbers[:-1]])
        return probability

    def _finish(self, counts: np.ndarray) -> None:
        keys, contexts, _ = self._pending
        context = keys // self.vocabulary
        totals = np.bincount(context, counts, minlength=contexts)
        discounts = _discounts(counts)[np.minimum(counts, 3)]
        left = np.bincount(context, discounts, minlength=contexts)
        with np.errstate(invalid="ignore", divide="ignore"):
            rest = np.where(totals > 0, left / totals, 1.0)
            shares = np.where(totals[context] > 0, (counts - discounts) / totals[context], 0.0)
        self.orders.append(Order(keys, shares, rest))


def _discounts(counts: np.ndarray) -> np.ndarray:
    """Estimate what is taken from counts of 0, 1, 2, 3 and more; KenLM's fallback where one of them never occurs."""
    n1, n2, n3, n4 = (int((counts == value).sum()) for value in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return np.array([0.0, 0.5, 1.0, 1.5])
    ratio = n1 / (n1 + 2 * n2)
    return np.array([0.0, 1 - 2 * ratio * n2 / n1, 2 - 3 * ratio * n3 / n2, 3 - 4 * ratio * n4 / n3])
