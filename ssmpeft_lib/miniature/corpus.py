"""What the stand-ins are pretrained on: an endless stream of short documents.

Most are sentences of the miniature language, plain or with remarks that carry the same meanings as the tasks in other
words: no instruction, no `###`, no digit as a label. A share is the standard library's documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from . import remarks

DOCUMENTATION, PLAIN = 0.015, 0.25
"""Shares of the library's documentation and of plain sentences; the rest are remarks."""

CHUNK = 300
"""Characters of a document cut from longer text."""


def documents(seed: int = 0, folder: Path | None = None) -> Iterator[str]:
    """Endless text to pretrain a stand-in on, the same for the same seed and Python version.

    Args:
        seed: of the choice of documents.
        folder: a folder with text files (`*.txt`, UTF-8) to read instead of the generated text; None generates.
    Raises:
        FileNotFoundError: `folder` holds no text file.
    """
    rng = Random(f"corpus {seed}")
    read = chunks(documentation() if folder is None else from_folder(folder))
    while True:
        share = rng.random()
        if folder is not None or share < DOCUMENTATION:
            yield rng.choice(read)
        elif share < DOCUMENTATION + PLAIN:
            yield f"{remarks.plain(rng)}\n{remarks.plain(rng)}"
        else:
            yield remarks.remark(rng)


def documentation() -> list[str]:
    """The texts that Python's `help()` shows on its topics."""
    from pydoc_data.topics import topics

    return list(topics.values())


def from_folder(folder: Path) -> list[str]:
    """The text files of a folder."""
    found = sorted(Path(folder).glob("*.txt"))
    if not found:
        raise FileNotFoundError(f"no text to pretrain on: {folder} holds no *.txt file")
    return [path.read_text(encoding="utf-8") for path in found]


def chunks(texts: Iterable[str]) -> list[str]:
    """Pieces of texts, of at most `CHUNK` characters."""
    return [text[start : start + CHUNK] for text in texts for start in range(0, len(text), CHUNK)]


def unlabelled(inputs: Iterable[str], seed: int = 0) -> Iterator[str]:
    """Endless inputs of a data set without their labels, for a stand-in that is to know images as numbers.

    Args:
        inputs: what the model reads of each TRAINING example, without instruction and label.
        seed: of the order, which differs from round to round.
    """
    rng, inputs = Random(f"unlabelled {seed}"), list(inputs)
    while True:
        rng.shuffle(inputs)
        yield from inputs
