"""Batches of blocks of text: every row is a piece of one document, so no state crosses from one to the next."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .encoded_text import EncodedText

STEP = 64
"""Rows are padded to a multiple of so many tokens: oneDNN compiles its kernels anew for each shape."""

WINDOW = 4096
"""Pieces among which those of about one length are put into one batch; a batch then needs little padding."""

IGNORED = -1
"""Stands in the targets where a row is padded."""


def pieces(text: EncodedText, length: int) -> np.ndarray:
    """Cut documents into pieces of at most `length` predicted tokens.

    Returns:
        Start in `text.tokens` and number of predicted tokens of each piece, int64, shape [pieces, 2].
    """
    starts = np.concatenate([[0], text.ends[:-1]])
    found = []
    for start, predicted in zip(starts, text.ends - starts - 1, strict=True):
        offsets = np.arange(0, predicted, length)
        found.append(np.stack([start + offsets, np.minimum(length, predicted - offsets)], axis=1))
    return np.concatenate(found)


def epoch_order(cut: np.ndarray, batch_tokens: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Shuffle pieces into batches of about `batch_tokens` tokens, padding included."""
    shuffled = generator.permutation(cut)
    batches = []
    for begin in range(0, len(shuffled), WINDOW):
        window = shuffled[begin : begin + WINDOW]
        window = window[np.argsort(-window[:, 1], kind="stable")]
        while len(window):
            rows = max(1, batch_tokens // _width(window))
            batches.append(window[:rows])
            window = window[rows:]
    return [batches[place] for place in generator.permutation(len(batches))]


def batch(text: EncodedText, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Token ids and targets of a batch, int64, shape [rows, width]; targets are `IGNORED` at padding."""
    ids = np.zeros((len(rows), _width(rows)), dtype=np.int64)
    targets = np.full_like(ids, IGNORED)
    for row, (start, length) in enumerate(rows):
        piece = text.tokens[start : start + length + 1]
        ids[row, :length], targets[row, :length] = piece[:-1], piece[1:]
    return torch.from_numpy(ids), torch.from_numpy(targets)


def epochs(
    text: EncodedText, length: int, batch_tokens: int, seed: int, epoch: int = 0, index: int = 0
) -> Iterator[tuple[int, int, Tensor, Tensor]]:
    """Yield batches for ever, beginning at batch `index` of an epoch.

    Yields:
        The epoch and index that come next, token ids, targets.
    """
    cut = pieces(text, length)
    while True:
        order = epoch_order(cut, batch_tokens, np.random.default_rng([seed, epoch]))
        for place in range(index, len(order)):
            yield epoch, place + 1, *batch(text, order[place])
        epoch, index = epoch + 1, 0


def _width(rows: np.ndarray) -> int:
    return int(-(-rows[:, 1].max() // STEP) * STEP)
