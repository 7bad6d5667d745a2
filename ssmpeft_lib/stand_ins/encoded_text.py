"""A folder of text as token ids in files: what pretraining reads, made once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from ..data._text import SEPARATOR
from .text_folder import END, held_out_documents, training_documents
from .tokenizer import train

VOCABULARY = 8192

SEPARATED = 16
"""In one document of so many, the separator of task inputs stands in place of line breaks, so that a model has read
that token before it is adapted."""

CHUNK = 500


@dataclass(frozen=True)
class EncodedText:
    """Token ids of documents, one after the other.

    Attributes:
        tokens: ids, uint16, shape [sum of lengths]; a document begins and ends with the token 0.
        ends: where each document ends in `tokens`, int64, shape [documents].
        size: bytes of the documents' text in UTF-8.
    """

    tokens: np.ndarray
    ends: np.ndarray
    size: int

    def document(self, index: int) -> np.ndarray:
        """Token ids of one document."""
        return self.tokens[self.ends[index - 1] if index else 0 : self.ends[index]]

    def save(self, path: Path) -> None:
        """Write one .npz file."""
        with open(path, "wb") as file:
            np.savez(file, tokens=self.tokens, ends=self.ends, size=self.size)

    @classmethod
    def load(cls, path: Path) -> EncodedText:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["tokens"], arrays["ends"], int(arrays["size"]))


def train_tokenizer(folder: Path, vocabulary: int = VOCABULARY) -> Tokenizer:
    """Train a byte-level BPE tokenizer on all training documents of a folder of text."""
    return train(training_documents(folder), vocab_size=vocabulary)


def encode_training(folder: Path, tokenizer: Tokenizer) -> EncodedText:
    """Encode the training documents of a folder."""
    texts = training_documents(folder)
    return encode((_separated(text, index) for index, text in enumerate(texts)), tokenizer)


def encode_held_out(folder: Path, tokenizer: Tokenizer) -> EncodedText:
    """Encode the held-out documents of a folder, as they are."""
    return encode(held_out_documents(folder), tokenizer)


def encode(texts: Iterable[str], tokenizer: Tokenizer) -> EncodedText:
    """Encode documents; each begins and ends with the token that ends a document.

    Raises:
        ValueError: the vocabulary does not fit into 16 bits, or the end of a document is not token 0.
    """
    if tokenizer.get_vocab_size() > 1 << 16 or tokenizer.token_to_id(END) != 0:
        raise ValueError(f"the tokenizer must have at most {1 << 16} tokens, {END} as token 0")
    pieces, ends, size, total = [], [], 0, 0
    for ids, length in _encoded(texts, tokenizer):
        pieces.append(np.asarray([0, *ids, 0], dtype=np.uint16))
        total += len(pieces[-1])
        ends.append(total)
        size += length
    return EncodedText(np.concatenate(pieces), np.asarray(ends, dtype=np.int64), size)


def _encoded(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[tuple[list[int], int]]:
    texts = iter(texts)
    while chunk := list(islice(texts, CHUNK)):
        encodings = tokenizer.encode_batch_fast(chunk, add_special_tokens=False)
        for text, encoding in zip(chunk, encodings, strict=True):
            yield encoding.ids, len(text.encode())


def _separated(text: str, index: int) -> str:
    return text.replace("\n", SEPARATOR) if index % SEPARATED == 0 else text
