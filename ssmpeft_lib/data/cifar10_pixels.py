"""CIFAR-10 as sequences of grey values for deep S4 (Table 4): 1024 steps an image, one number each (Gu et al., 2022).

The miniature is scikit-learn's digits, real but small images, written in CIFAR-10's format: 64 steps each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from . import _hub, cifar10
from ._images import written
from ._task import Example, Splits, Task

DATASETS = {
    "cifar10-pixels": {
        "train": 45000, "val": 5000, "test": 10000, "max_seq_len": 1025, "epochs": 5, "batch_size": 64,
        "folder": "cifar10", "splits": {"train": "train", "val": None, "test": "test"}, "cut": 0.1,
        "modality": "numbers", "miniature": "scikit-learn's digits, in place of CIFAR-10",
        "recipe": {"learning_rate": 5e-3, "weight_decay": 0.01, "precision": "fp32", "eval_batch_size": 256},
        "selection_steps": 703,
    },
}  # fmt: skip
"""What the paper leaves open is that of the authors' script: AdamW, batches of 64, a warm-up of one epoch."""

MEAN, SPREAD = 122.6, 61.0
"""Mean and standard deviation of CIFAR-10 in grey, which the authors normalise with."""

DIGIT_BLOCK = 4
LUMA = (19595, 38470, 7471)
"""Weights of red, green and blue in 65536ths, as Pillow has them."""


def task(name: str) -> Task:
    """One of ten classes; nothing is asked in words."""
    labels = tuple(map(str, range(len(cifar10.CLASSES))))
    return Task(instruction="", labels=labels, metrics=("accuracy",), headline="accuracy")


def read_files(name: str, folder: Path) -> Splits:
    """The official splits that lie in a folder, in any form that `cifar10` reads."""
    return _as_splits(cifar10.read_images(folder), grey)


def read_miniature(name: str, folder: Path) -> Splits:
    """Read as `read_files` does; each digit's pixel is a block of 4 x 4, of which one is read."""
    return _as_splits(cifar10.read_images(folder), lambda images: grey(images)[:, ::DIGIT_BLOCK, ::DIGIT_BLOCK])


def read_hub(name: str, folder: Path | None = None) -> Splits:
    """The official splits from the hub."""
    loaded = _hub.load("uoft-cs/cifar10")
    return _as_splits(
        {split: cifar10.from_rows(rows, f"uoft-cs/cifar10 {split}") for split, rows in loaded.items()}, grey
    )


def write_miniature(name: str, folder: Path, seed: int) -> None:
    """Write scikit-learn's digits in the original's format."""
    from ..miniature import cifar10_pixels

    cifar10_pixels.write(name, folder, seed)


def cut_indices(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices kept for training and cut off for validation: a tenth, at random as in the authors' script."""
    import torch

    order = torch.randperm(n, generator=torch.Generator().manual_seed(42)).numpy()
    kept = int(0.9 * n)
    return order[:kept], order[kept:]


def grey(images: np.ndarray) -> np.ndarray:
    """Grey values of colour images, uint8 [n, height, width, 3] to [n, height, width], to the last bit as Pillow's."""
    return ((images.astype(np.uint32) @ np.array(LUMA, dtype=np.uint32) + 0x8000) >> 16).astype(np.uint8)


def normalised(values: np.ndarray) -> np.ndarray:
    """What the model reads: float32 of the same shape as grey values in uint8."""
    return (values.astype(np.float32) - MEAN) / SPREAD


class Encoder:
    """Keeps grey values as they are, in a byte each, where other data sets tokenise texts."""

    def __init__(self, task: Task, tokenizer: Path | None) -> None:
        self._labels = task.labels

    def arrays(self, examples: Sequence[Example], limit: int | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Grey values, numbers of the classes, where each example's lie, and the indices of all examples."""
        values = [np.array(example.input.split(), dtype=np.uint8) for example in examples]
        labels = np.array([self._labels.index(example.label) for example in examples], dtype=np.int64)
        ends, places = np.cumsum([len(one) for one in values]), np.arange(len(examples))
        starts = np.concatenate([[0], ends])[: len(examples)]
        spans = {"input_spans": np.stack([starts, ends], 1), "label_spans": np.stack([places, places + 1], 1)}
        return {"input_ids": np.concatenate(values), "label_ids": labels, **spans}, places

    def max_seq_len(self, arrays: dict[str, np.ndarray]) -> int:
        """Steps of the longest sequence, and one for the class."""
        return int(np.diff(arrays["input_spans"])[:, 0].max(initial=0)) + 1


def _as_splits(official: dict[str, cifar10.Images], shown: Callable[[np.ndarray], np.ndarray]) -> Splits:
    return {
        split: [Example(written(image), str(label)) for image, label in zip(shown(images), labels, strict=True)]
        for split, (images, labels) in official.items()
    }
