"""CIFAR-10 (Krizhevsky, 2009) as text: the middle 24 x 24 pixels as 1728 numbers (Sec. 4, App. B, Table 6)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from . import _hub
from ._files import File, Folder
from ._images import decode, shrunk, written
from ._pickles import loads
from ._rows import read_rows
from ._task import Example, Splits, Task
from ._text import separated

DATASETS = {
    "cifar10": {
        "train": 40000, "val": 10000, "test": 10000, "max_seq_len": 1730, "epochs": 5, "batch_size": 4,
        "folder": "cifar10", "splits": {"train": "train", "val": None, "test": "test"}, "modality": "pixels",
    },
}  # fmt: skip

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

SIDE, CROP = 32, 24
MINIATURE_SIDE = 8
"""The miniature's images are read as 8 x 8 grey levels: its models are too small for 1728 numbers."""

Images = tuple[np.ndarray, list[int]]


def task(name: str) -> Task:
    """How CIFAR-10 is asked and scored."""
    classes = ", ".join(f"{word} ({number})" for number, word in enumerate(CLASSES))
    return Task(
        instruction=f"Decide if the following image shows a {classes}: ",
        labels=tuple(map(str, range(len(CLASSES)))),
        metrics=("accuracy",),
        headline="accuracy",
        max_new_tokens=1,
    )


def read_files(name: str, folder: Path) -> Splits:
    """The official splits that lie in a folder.

    Raises:
        ValueError: a file is damaged; names it.
    """
    return _as_splits(read_images(folder), _cropped)


def read_miniature(name: str, folder: Path) -> Splits:
    """Read as `read_files` does, with small grey images; what then equals a training picture is not tested on."""
    splits = _as_splits(read_images(folder), lambda images: shrunk(_cropped(images), MINIATURE_SIDE))
    trained = {example.input for example in splits["train"]}
    return splits | {"test": [example for example in splits["test"] if example.input not in trained]}


def read_hub(name: str, folder: Path | None = None) -> Splits:
    """The official splits from the hub."""
    loaded = _hub.load("uoft-cs/cifar10")
    return _as_splits({split: from_rows(rows, f"uoft-cs/cifar10 {split}") for split, rows in loaded.items()}, _cropped)


def write_miniature(name: str, folder: Path, seed: int) -> None:
    """Write a small generated stand-in in the original's format."""
    from ..miniature import cifar10

    cifar10.write(name, folder, seed)


def cut_indices(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices kept for training and cut off for validation, by the rule of the authors' code for this data set."""
    order = list(range(n))
    random.Random(123).shuffle(order)
    kept = int(0.8 * n)
    return np.array(order[:kept], dtype=np.int64), np.array(order[kept:], dtype=np.int64)


def read_images(folder: Path) -> dict[str, Images]:
    """Images, uint8 [n, 32, 32, 3], and labels of the official splits in a folder.

    Reads the Python batches, the binary batches and the hub's Parquet files, unpacked or in an archive.

    Raises:
        ValueError: a file is damaged; names it.
    """
    here = Folder(folder)
    batches = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
    found: dict[str, Images] = {}
    for split, names in batches.items():
        files = [file for file in (here.find(name, f"{name}.bin") for name in names) if file is not None]
        if files and len(files) < len(names):
            raise ValueError(
                f"{here.path}: {len(files)} of the {len(names)} batches of {split}; {', '.join(names)} needed"
            )
        parquet = None if files else here.find(f"{split}-*.parquet")
        if files:
            read = [_read_batch(file) for file in files]
            found[split] = np.concatenate([images for images, _ in read]), [one for _, labels in read for one in labels]
        elif parquet is not None:
            found[split] = from_rows(read_rows(parquet), str(parquet))
    return found


def _read_batch(file: File) -> Images:
    """A batch: each image is a row of 3072 bytes, all red ones first, then green, then blue."""
    if file.suffix == ".bin":
        contents = np.frombuffer(file.read(), dtype=np.uint8)
        if not contents.size or contents.size % 3073:
            raise ValueError(f"{file}: {contents.size:,} bytes are no whole number of records of 3073; get it again")
        labels, rows = contents.reshape(-1, 3073)[:, 0].tolist(), contents.reshape(-1, 3073)[:, 1:]
    else:
        labels, rows = _unpickled(file)
    if not all(isinstance(label, int) and 0 <= label < len(CLASSES) for label in labels):
        raise ValueError(f"{file}: a label is none of 0 to 9")
    return rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels


def _unpickled(file: File) -> tuple[list, np.ndarray]:
    batch = loads(file.read(), str(file))
    fields = batch if isinstance(batch, dict) else {}
    # Strings are bytes in the original, and text in a batch that was pickled anew.
    labels, rows = (fields.get(name.encode(), fields.get(name)) for name in ("labels", "data"))
    fits = isinstance(labels, list) and isinstance(rows, np.ndarray) and rows.shape == (len(labels), 3 * SIDE * SIDE)
    if not fits:
        raise ValueError(f"{file}: not a batch of CIFAR-10; it needs labels, and data of shape [labels, 3072]")
    return labels, rows


def from_rows(rows: Iterable[dict[str, Any]], where: str) -> Images:
    """Rows of the hub's form: an encoded image and a label."""
    images, labels = [], []
    for number, row in enumerate(rows, 1):
        images.append(decode(row["img"], f"{where}: row {number}"))
        labels.append(row["label"])
    return np.stack(images), labels


def _cropped(images: np.ndarray) -> np.ndarray:
    start = (SIDE - CROP) // 2
    return images[:, start : start + CROP, start : start + CROP]


def _as_splits(official: dict[str, Images], shown: Callable[[np.ndarray], np.ndarray]) -> Splits:
    """Images, in the form in which they are shown, and labels as examples."""
    return {
        split: [
            Example(separated(written(image)), str(label)) for image, label in zip(shown(images), labels, strict=True)
        ]
        for split, (images, labels) in official.items()
    }
