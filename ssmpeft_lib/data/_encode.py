"""Examples as token ids, made once for a data set and a tokenizer and shared by all cells that want them.

Instruction, input and label are tokenised apart and put one after the other, as in the authors' code. On disk a
split is a few arrays in NumPy's format, mapped into memory when loaded, with the texts beside them for scoring.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..plan import manifest
from ..plan.atomic import replacing_folder
from . import _source as sources
from . import dataset
from ._encoded import Encoded, save_arrays
from ._source import Source
from ._task import Example, Task

END_OF_TEXT = "<|endoftext|>"
"""Ends the label where an answer is generated; GPT-NeoX's, Jamba's and the stand-ins' tokenizers all have it."""

CHUNK = 4096
"""Texts handed to the tokenizer at a time; bounds memory."""


DESCRIBED = ("source", "miniature", "splits", "sizes", "left_out", "max_seq_len")
"""What a description says: where the data are from and how many there are, for the cell's results."""


@dataclass(frozen=True)
class Prepared:
    """A data set ready for a model.

    Attributes:
        task: how it is asked and scored.
        splits: `train`, `val` and, unless overridden away, `test`.
        description: sizes, lengths and source, for the cell's results.
        folder: where it lies.
        digest: of its files, where it was read from its manifest.
    """

    task: Task
    splits: dict[str, Encoded]
    description: dict[str, Any]
    folder: Path
    digest: str = ""


def prepare(
    name: str,
    source: Source,
    tokenizer: Path | None,
    folder: Path,
    splits: Mapping[str, str | None] | None = None,
) -> Prepared:
    """Write a data set as token ids into a folder, which appears all at once and replaces one that is there.

    Args:
        name: of the data set.
        source: where to read it from.
        tokenizer: a tokenizer.json; None for a data set that is no text.
        folder: where to write it.
        splits: official splits that stand in for `train`, `val` or `test`.
    Raises:
        LookupError: a split was not found, or the tokenizer has no `END_OF_TEXT`.
        ValueError: a file is damaged, or a class label is not a single token.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        roles = sources.assign_roles(name, source.read(), splits)
    for one in told:
        warnings.warn(one.message, stacklevel=2)
    hooks = dataset(name)
    task = hooks.task(name)
    description = {
        "source": source.words,
        "miniature": source.kind == "miniature",
        "splits": sources.describe_roles(name, splits),
        "sizes": {},
        "left_out": {},
        "warnings": [str(one.message) for one in told],
    }
    with replacing_folder(Path(folder)) as draft:
        encoder = hooks.Encoder(task, tokenizer)
        for role, examples in roles.items():
            # What is too long to train on is still asked in a test.
            arrays, kept = encoder.arrays(examples, None if role == "test" else task.drop_longer_than)
            offsets = _write_texts(draft / f"{role}.jsonl", examples, kept)
            save_arrays(draft / role, {**arrays, "text_offsets": offsets})
            description["sizes"][role] = len(kept)
            description["left_out"][role] = len(examples) - len(kept)
            if role == "train":
                description["max_seq_len"] = encoder.max_seq_len(arrays)
    return _load(name, Path(folder), description)


def load_prepared(path: Path) -> Prepared:
    """A data set that was prepared before.

    Args:
        path: a manifest with the data set's name (`dataset`) and description; the files lie in the folder of the same
            name, without .json.
    Raises:
        NotPrepared: a file is missing or damaged.
    """
    document = manifest.read(path)
    prepared = _load(document["dataset"], Path(path).with_suffix(""), {key: document[key] for key in DESCRIBED})
    return replace(prepared, digest=manifest.contents(document))


def _load(name: str, folder: Path, description: dict[str, Any]) -> Prepared:
    loaded = {role: Encoded.load(folder / role) for role in description["sizes"]}
    return Prepared(dataset(name).task(name), loaded, description, folder)


class TextEncoder:
    """A tokenizer set up for one task. A data set that is no text brings an `Encoder` of its own in its module."""

    def __init__(self, task: Task, tokenizer: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._instruction = self._tokenizer.encode(task.instruction, add_special_tokens=False).ids
        self._end = []
        if task.generates:
            end = self._tokenizer.token_to_id(END_OF_TEXT)
            if end is None:
                raise LookupError(f"{tokenizer}: has no {END_OF_TEXT}, which ends a generated answer")
            self._end = [end]
        for label in task.labels:
            ids = self._tokenizer.encode(label, add_special_tokens=False).ids
            if len(ids) != 1:
                raise ValueError(f"{tokenizer}: the label {label!r} is {len(ids)} tokens, and must be one")

    def arrays(self, examples: Sequence[Example], limit: int | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Token ids and where each example's lie, and the indices of the examples that are no longer than `limit`."""
        input_ids, input_spans = self._spans([example.input for example in examples], self._instruction, [])
        label_ids, label_spans = self._spans([example.label for example in examples], [], self._end)
        lengths = np.diff(input_spans)[:, 0] - len(self._instruction) + np.diff(label_spans)[:, 0]
        kept = np.flatnonzero(lengths <= limit) if limit else np.arange(len(examples))
        spans = {"input_spans": input_spans[kept], "label_spans": label_spans[kept]}
        return {"input_ids": input_ids, "label_ids": label_ids, **spans}, kept

    def max_seq_len(self, arrays: Mapping[str, np.ndarray]) -> int:
        """The length that Table 6 prints: the longest input plus the longest label, without the instruction."""
        longest = [int(np.diff(arrays[name])[:, 0].max(initial=0)) for name in ("input_spans", "label_spans")]
        return sum(longest) - len(self._instruction)

    def _spans(self, texts: list[str], before: list[int], after: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of all distinct texts on end, int32 [tokens], and each text's span in them, int64 [texts, 2]."""
        position = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        distinct, flat, lengths = list(position), [], []
        for start in range(0, len(distinct), CHUNK):
            chunk = distinct[start : start + CHUNK]
            ids = [(*before, *encoding.ids, *after) for encoding in self._encode_batch(chunk)]
            lengths += map(len, ids)
            flat.append(np.fromiter(chain.from_iterable(ids), dtype=np.int32))
        ends = np.cumsum(np.array(lengths, dtype=np.int64))
        spans = np.stack([ends - lengths, ends], axis=1) if distinct else np.zeros((0, 2), np.int64)
        order = np.fromiter((position[text] for text in texts), dtype=np.int64, count=len(texts))
        return np.concatenate(flat) if flat else np.zeros(0, np.int32), spans[order]

    def _encode_batch(self, texts: list[str]):
        return self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)


def _write_texts(path: Path, examples: Sequence[Example], kept: np.ndarray) -> np.ndarray:
    offsets = [0]
    with path.open("wb") as file:
        for i in kept:
            offsets.append(offsets[-1] + file.write(_line(examples[i])))
    return np.array(offsets, dtype=np.int64)


def _line(example: Example) -> bytes:
    return json.dumps(vars(example), ensure_ascii=False, sort_keys=True).encode() + b"\n"
