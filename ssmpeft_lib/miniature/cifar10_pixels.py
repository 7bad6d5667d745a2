"""scikit-learn's 1797 images of handwritten digits, 8 x 8 pixels of 17 grey values, in CIFAR-10's pickled batches.

They are no miniature of CIFAR-10: real images of other things, small enough to be learned in seconds. Each pixel
becomes a block of 4 x 4, so that the loader of the original files reads them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .python2_pickle import dumps

BATCHES, TEST = 5, 297
SIDE, BLOCK, WHITE = 8, 4, 16


def write(name: str, folder: Path, seed: int = 0) -> None:
    """Write five training batches of 300 images each and a test batch of 297, in an order of the seed's."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    names = [*(f"data_batch_{number}" for number in range(1, BATCHES + 1)), "test_batch"]
    target = folder / "cifar10" / "cifar-10-batches-py"
    target.mkdir(parents=True, exist_ok=True)
    for name, chosen in zip(names, [*np.array_split(order[:-TEST], BATCHES), order[-TEST:]], strict=True):
        images, labels = digits.images[chosen], digits.target[chosen].tolist()
        (target / name).write_bytes(dumps({b"labels": labels, b"data": _rows(images)}))


def _rows(images: np.ndarray) -> np.ndarray:
    """Images [n, 8, 8] of values up to 16 as rows of CIFAR-10, uint8 [n, 3072], the three colours alike."""
    grey = np.round(images * (255 / WHITE)).astype(np.uint8)
    large = grey.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2).reshape(len(images), 1, -1)
    return large.repeat(3, axis=1).reshape(len(images), -1)
