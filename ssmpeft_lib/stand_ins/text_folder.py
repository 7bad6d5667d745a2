"""A folder of text: plain or .xz files of documents, each ended by a line `<|endoftext|>`."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path

END = "<|endoftext|>"
"""The line that ends a document; in the tokenizer it is the token that ends one."""

HELD_OUT = "valid"
"""Stem of the file that no model is trained on."""

SUFFIXES = (".txt", ".txt.xz")


def files(folder: Path) -> list[Path]:
    """List the text files of a folder by name, the held-out one among them.

    Raises:
        FileNotFoundError: the folder is missing or holds no text.
        ValueError: a text lies there both plain and compressed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is no folder; name one with .txt or .txt.xz files: make real-models TEXT=DIR"
        )
    found = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES) and path.is_file())
    if not any(_stem(path) != HELD_OUT for path in found):
        raise FileNotFoundError(
            f"{folder} has no text to train on; it needs .txt or .txt.xz files (besides {HELD_OUT}.txt) in which every "
            f"document ends with a line {END}"
        )
    names = [_stem(path) for path in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{folder} has {name}.txt and {name}.txt.xz; remove one of them")
    return found


def training_documents(folder: Path) -> Iterator[str]:
    """Yield the documents of all files but the held-out one, file after file."""
    for path in files(folder):
        if _stem(path) != HELD_OUT:
            yield from documents(path)


def held_out_documents(folder: Path) -> Iterator[str]:
    """Yield the documents of `valid.txt` or `valid.txt.xz`.

    Raises:
        FileNotFoundError: the folder has no such file.
    """
    for path in files(folder):
        if _stem(path) == HELD_OUT:
            yield from documents(path)
            return
    raise FileNotFoundError(
        f"{folder} has no {HELD_OUT}.txt or {HELD_OUT}.txt.xz; put about 1 % of the documents there, which nothing is "
        f"trained on: losses and bits per byte are measured on them"
    )


def documents(path: Path) -> Iterator[str]:
    """Yield the documents of one file, without the lines that end them.

    Raises:
        ValueError: the file is not UTF-8 or cut short, or text follows the last `<|endoftext|>`.
    """
    opened = lzma.open if path.suffix == ".xz" else open
    lines: list[str] = []
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for line in file:
                if line.rstrip("\n") != END:
                    lines.append(line)
                    continue
                if text := "".join(lines).strip("\n"):
                    yield text
                lines.clear()
    except (UnicodeDecodeError, lzma.LZMAError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as UTF-8 text: {error}") from error
    if "".join(lines).strip():
        raise ValueError(f"{path}: its last {len(lines)} lines are not ended by a line {END}; is the file cut short?")


def _stem(path: Path) -> str:
    return path.name.removesuffix(".xz").removesuffix(".txt")
