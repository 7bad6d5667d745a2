"""What the stand-ins are pretrained on: an endless stream of short documents.

Most are sentences of the miniature language, plain or with remarks that carry the same meanings as the tasks in other
words: no instruction, no `###`, no digit as a label. A share is the standard library's documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from ..data import _source as sources
from ..miniature import comparisons, remarks

PIECE = 300
"""Characters of a document cut from longer text."""

SHARES = {"documentation": 0.03, "plain": 0.1, "remark": 0.32, "comparison": 0.55}
"""Of the documents; those of the library are longer than the others, so that 3 % of them make 6 % of the text."""

PICTURES = ("cifar10", "celeba")
"""Data sets of pictures."""

WRITTEN_OUT = ("dart", "samsum", "spider")
"""Data sets whose inputs are full of words and signs that the documents do not have."""


def documents(seed: int = 0, folder: Path | None = None) -> Iterator[str]:
    """Endless text to pretrain a stand-in on, the same for the same seed and Python version.

    Args:
        seed: of the choice of documents.
        folder: a folder with text files (`*.txt`, UTF-8) to read instead of the generated text; None generates.
    Raises:
        FileNotFoundError: neither `folder` nor a folder in it holds a text file.
    """
    rng = Random(f"corpus {seed}")
    read = pieces(documentation() if folder is None else from_folder(folder))
    kinds = ["documentation"] if folder is not None else list(SHARES)
    while True:
        yield document(rng, rng.choices(kinds, weights=map(SHARES.get, kinds))[0], read)


def document(rng: Random, kind: str, read: list[str]) -> str:
    """A document of one of the kinds; `read` is what there is of documentation."""
    if kind == "documentation":
        return rng.choice(read)
    if kind == "plain":
        return f"{remarks.plain(rng)}\n{remarks.plain(rng)}"
    return remarks.remark(rng) if kind == "remark" else comparisons.comparison(rng)


def documentation() -> list[str]:
    """The texts that Python's `help()` shows on its topics."""
    from pydoc_data.topics import topics

    return list(topics.values())


def from_folder(folder: Path) -> list[str]:
    """The text files of a folder, in UTF-8 or, where that fails, in Latin-1, as older corpora are."""
    found = sorted(Path(folder).rglob("*.txt"))
    if not found:
        raise FileNotFoundError(f"no text to pretrain on: {folder} holds no *.txt file")
    return [_text(path) for path in found]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return path.read_text(encoding="latin-1")


def pieces(texts: Iterable[str]) -> list[str]:
    """Pieces of texts, of at most `PIECE` characters."""
    return [text[start : start + PIECE] for text in texts for start in range(0, len(text), PIECE)]


def pixels(seed: int = 0) -> Iterator[str]:
    """Endless pictures as numbers, to pretrain a stand-in for images on.

    They are the training inputs of the image miniatures as their loaders read them, without labels; no picture that
    is tested on is among them.

    Args:
        seed: of the order, which differs from round to round.
    """
    rng = Random(f"pixels {seed}")
    inputs = [text for name in PICTURES for text in training_inputs(name)]
    while True:
        rng.shuffle(inputs)
        yield from inputs


def training_inputs(name: str) -> list[str]:
    """What a model reads of each training example of a miniature."""
    with TemporaryDirectory() as folder:
        return [example.input for example in sources.find(name, "quick", miniatures=Path(folder)).read()["train"]]
