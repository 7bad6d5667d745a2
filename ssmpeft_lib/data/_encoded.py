"""A split as token ids, mapped into memory from disk, and its batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._task import Example

IGNORED = -100
"""Label of a position that the loss leaves out."""


class Encoded:
    """One split as token ids. Arrays are views of a file mapped into memory; nothing is copied until it is used.

    Attributes:
        input_lengths, label_lengths, lengths: tokens of instruction and input, of the label, and of all, [examples].
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], texts: Path, index: np.ndarray | None = None) -> None:
        self._arrays = arrays
        self._texts = texts
        self._index = np.arange(len(arrays["input_spans"])) if index is None else index
        spans = (arrays["input_spans"][self._index], arrays["label_spans"][self._index])
        self._spans = spans
        self.input_lengths, self.label_lengths = (span[:, 1] - span[:, 0] for span in spans)
        self.lengths = self.input_lengths + self.label_lengths

    @classmethod
    def load(cls, path: Path) -> Encoded:
        """The split in `path`.<array>.npy (token ids) and `path`.jsonl (texts)."""
        return cls(_map(path), path.with_suffix(".jsonl"))

    def __len__(self) -> int:
        return len(self._index)

    def input_ids(self, i: int) -> np.ndarray:
        """Instruction and input of example `i`, int32 [input_length]."""
        start, end = self._spans[0][i]
        return self._arrays["input_ids"][start:end]

    def label_ids(self, i: int) -> np.ndarray:
        """Label of example `i`, with the end of text where answers are generated, int32 [label_length].

        Float32 where the label is a series of numbers.
        """
        start, end = self._spans[1][i]
        return self._arrays["label_ids"][start:end]

    @property
    def examples(self) -> Sequence[Example]:
        """The examples as text, read from disk when asked for."""
        return _Texts(self._texts, self._arrays["text_offsets"], self._index)

    def subset(self, n: int | None, seed: int = 0) -> Encoded:
        """A random `n` of the examples, in their order; all of them where there are no more or `n` is None."""
        if n is None or n >= len(self):
            return self
        chosen = np.sort(np.random.default_rng(seed).permutation(len(self))[:n])
        return Encoded(self._arrays, self._texts, self._index[chosen])

    def buckets(self, batch_size: int, max_tokens: int | None = None) -> list[np.ndarray]:
        """Batches of examples of similar length, the longest first, so that running out of memory shows at once.

        Args:
            batch_size: most examples in a batch.
            max_tokens: most tokens in a batch, padding included; a longer single example is a batch of its own.
        """
        order = np.argsort(-self.lengths, kind="stable")
        batches, start = [], 0
        while start < len(order):
            longest = max(int(self.lengths[order[start]]), 1)
            size = batch_size if max_tokens is None else min(batch_size, max(1, max_tokens // longest))
            batches.append(order[start : start + size])
            start += size
        return batches

    def batch(self, indices: Sequence[int], pad_id: int = 0) -> dict[str, np.ndarray]:
        """Training examples, padded on the right.

        Returns:
            `input_ids` int64 [batch, seq_len]; `labels` int64 [batch, seq_len], `IGNORED` but on the label's own
            positions (not shifted); `lengths` int64 [batch].
        """
        lengths = self.lengths[indices]
        input_ids = np.full((len(indices), lengths.max()), pad_id, dtype=np.int64)
        labels = np.full_like(input_ids, IGNORED)
        for row, i in enumerate(indices):
            start, end = self.input_lengths[i], lengths[row]
            input_ids[row, :start] = self.input_ids(i)
            input_ids[row, start:end] = labels[row, start:end] = self.label_ids(i)
        return {"input_ids": input_ids, "labels": labels, "lengths": lengths.astype(np.int64)}

    def prompts(self, indices: Sequence[int], pad_id: int = 0) -> dict[str, np.ndarray]:
        """What a model is to answer, padded on the right: `input_ids` int64 [batch, seq_len], `lengths` [batch]."""
        lengths = self.input_lengths[indices].astype(np.int64)
        input_ids = np.full((len(indices), lengths.max()), pad_id, dtype=np.int64)
        for row, i in enumerate(indices):
            input_ids[row, : lengths[row]] = self.input_ids(i)
        return {"input_ids": input_ids, "lengths": lengths}


class _Texts(Sequence[Example]):
    """Examples in a file of JSON lines, found by offset."""

    def __init__(self, path: Path, offsets: np.ndarray, index: np.ndarray) -> None:
        self._path, self._offsets, self._index = path, offsets, index

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, i: int | slice) -> Any:
        wanted = self._index[i]
        read = list(self._read(np.atleast_1d(wanted)))
        return read if isinstance(i, slice) else read[0]

    def __iter__(self) -> Iterator[Example]:
        return self._read(self._index)

    def _read(self, positions: np.ndarray) -> Iterator[Example]:
        with self._path.open("rb") as file:
            for position in positions:
                start, end = self._offsets[position], self._offsets[position + 1]
                file.seek(start)
                fields = json.loads(file.read(end - start))
                yield Example(**fields | {"references": tuple(fields["references"])})


ARRAYS = ("input_ids", "input_spans", "label_ids", "label_spans", "text_offsets")
"""The arrays of a split: all token ids on end, where each example's begin and end, and where its text does."""


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the `ARRAYS` of a split as `path`.<name>.npy."""
    for name in ARRAYS:
        np.save(path.with_name(f"{path.name}.{name}.npy"), arrays[name], allow_pickle=False)


def _map(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a split as read-only maps."""
    files = {name: path.with_name(f"{path.name}.{name}.npy") for name in ARRAYS}
    # as plain arrays: slices of a memmap are slow to make
    return {name: np.asarray(np.load(file, mmap_mode="r", allow_pickle=False)) for name, file in files.items()}
