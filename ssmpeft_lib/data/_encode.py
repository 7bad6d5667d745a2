"""Examples as token ids, made once for a data set and a tokenizer and shared by all cells that want them.

Instruction, input and label are tokenised apart and put one after the other, as in the authors' code. On disk a
split is one safetensors file, mapped into memory when loaded, with the texts beside it for scoring.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..plan import manifest, registry
from ..plan.atomic import replacing_folder
from ..plan.results import write_json
from . import _source as sources
from ._encoded import Encoded
from ._source import Source
from ._task import Example, Task

END_OF_TEXT = "<|endoftext|>"
"""Ends the label where an answer is generated; GPT-NeoX's, Jamba's and the stand-ins' tokenizers all have it."""

CHUNK = 4096
"""Texts handed to the tokenizer at a time; bounds memory."""


@dataclass(frozen=True)
class Prepared:
    """A data set ready for a model.

    Attributes:
        task: how it is asked and scored.
        splits: `train`, `val` and, unless overridden away, `test`.
        description: sizes, lengths and source, for the cell's results.
        folder: where it lies in the cache.
        digest: of its files, where it was read from its manifest.
    """

    task: Task
    splits: dict[str, Encoded]
    description: dict[str, Any]
    folder: Path
    digest: str = ""


def prepare(
    dataset: str,
    source: Source,
    tokenizer: Path | None,
    cache: Path,
    splits: Mapping[str, str | None] | None = None,
) -> Prepared:
    """A data set as token ids, from the cache if it is there.

    Args:
        dataset: its name.
        source: where to read it from.
        tokenizer: a tokenizer.json; None for a data set that is no text.
        cache: folder of encoded data sets; several processes may use it at once.
        splits: official splits that stand in for `train`, `val` or `test`.
    Raises:
        LookupError: a split was not found, or the tokenizer has no `END_OF_TEXT`.
        ValueError: a file is damaged, or a class label is not a single token.
    """
    from filelock import FileLock

    roles = sources.assign_roles(dataset, source.read(), splits) if source.kind == "hub" else None
    folder = Path(cache) / f"{dataset}-{_key(dataset, source, tokenizer, splits, roles)[:20]}"
    if not manifest.intact(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not manifest.intact(folder):
                roles = roles or sources.assign_roles(dataset, source.read(), splits)
                description = {
                    "source": source.words,
                    "miniature": source.kind == "miniature",
                    "splits": sources.describe_roles(dataset, splits),
                }
                _encode(dataset, roles, tokenizer, folder, description)
    return _load(dataset, folder)


def load_prepared(path: Path) -> Prepared:
    """A data set that was prepared before.

    Args:
        path: a manifest that names the data set (`dataset`) and, relative to itself, its folder (`folder`).
    Raises:
        NotPrepared: a file is missing or damaged.
    """
    document = manifest.read(path)
    prepared = _load(document["dataset"], Path(path).parent / document["folder"])
    return replace(prepared, digest=manifest.contents(document))


def _load(dataset: str, folder: Path) -> Prepared:
    description = json.loads((folder / "description.json").read_text(encoding="utf-8"))
    loaded = {role: Encoded.load(folder / role) for role in description["sizes"]}
    return Prepared(registry.load("data", dataset).task(dataset), loaded, description, folder)


def _key(dataset, source: Source, tokenizer: Path, splits, roles) -> str:
    """What the encoded data depend on: the data, the tokenizer, the splits' roles, and the code that makes them."""
    digest = hashlib.sha256()
    # all of it, as one data set may be read by the code of another
    code = sorted(path for room in ("data", "spider") for path in (registry.PACKAGE / room).rglob("*.py"))
    for path in filter(None, (*code, tokenizer)):
        digest.update(Path(path).read_bytes())
    # Examples of Spider name their databases by path.
    digest.update(json.dumps([dataset, str(source.folder), source.digest(), splits], sort_keys=True).encode())
    for examples in (roles or {}).values():
        for example in examples:
            digest.update(_line(example))
    return digest.hexdigest()


def _encode(
    dataset: str, roles: Mapping[str, list[Example]], tokenizer: Path | None, folder: Path, description: dict[str, Any]
) -> None:
    """Write every role of a data set into a folder that appears all at once."""
    module = registry.load("data", dataset)
    task = module.task(dataset)
    with replacing_folder(folder) as draft:
        encoder = getattr(module, "Encoder", TextEncoder)(task, tokenizer)
        description |= {"sizes": {}, "left_out": {}}
        for role, examples in roles.items():
            # What is too long to train on is still asked in a test.
            limit = None if role == "test" else task.drop_longer_than
            arrays, kept = encoder.arrays(examples, limit)
            offsets = _write_texts(draft / f"{role}.jsonl", examples, kept)
            _write_arrays(draft / f"{role}.safetensors", {**arrays, "text_offsets": offsets})
            description["sizes"][role] = len(kept)
            description["left_out"][role] = len(examples) - len(kept)
            if role == "train":
                description["max_seq_len"] = encoder.max_seq_len(arrays)
        write_json(draft / "description.json", description)
        manifest.write_for_folder(draft)


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


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    from safetensors.numpy import save

    path.write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
