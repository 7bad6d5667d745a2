"""Images as sequences of pixels, one number a step, for the classifier of Table 4."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

MEAN, SPREAD = 122.6 / 255, 61.0 / 255
"""Of CIFAR-10 in grey, as Gu et al. (2022a) and the authors normalise."""


@dataclass(frozen=True)
class Pixels:
    """A data set: for each split sequences [n, seq_len, 1] and labels [n].

    Attributes:
        name: what it is, as a page should say it.
        stand_in: whether it only stands in for the paper's data.
    """

    name: str
    stand_in: bool
    train: tuple[Tensor, Tensor]
    val: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def load_pixels(folder: Path | None) -> Pixels:
    """CIFAR-10 where its files are in `folder`, else the digits that come with scikit-learn."""
    return load_digits() if folder is None else load_cifar10(folder)


def load_digits() -> Pixels:
    """scikit-learn's 1797 images of 8 x 8 pixels: 64 steps a sequence. 1437 to train, 180 each to validate and test."""
    from sklearn.datasets import load_digits as load

    bunch = load()
    x = torch.tensor(bunch.images.reshape(len(bunch.images), -1, 1), dtype=torch.float32)
    x, y = (x - x.mean()) / x.std(), torch.tensor(bunch.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(42))
    train, val, test = (order[:1437], order[1437:1617], order[1617:])
    return Pixels("scikit-learn digits", True, (x[train], y[train]), (x[val], y[val]), (x[test], y[test]))


def load_cifar10(folder: Path) -> Pixels:
    """CIFAR-10 in grey: 1024 steps a sequence, a tenth of the training images set aside as the authors' code does.

    Args:
        folder: holds `data_batch_1` to `5` and `test_batch` of the Python version, or the `.bin` files of the binary
            one, directly or one folder down.
    Raises:
        LookupError: the files are not there; says which are looked for.
        ValueError: a file is damaged.
    """
    images, labels = zip(*(read_batch(folder, f"data_batch_{number}") for number in range(1, 6)), strict=True)
    x, y = as_sequences(np.concatenate(images)), torch.tensor(np.concatenate(labels)).long()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(42))
    train, val = order[: int(0.9 * len(x))], order[int(0.9 * len(x)) :]
    test_images, test_labels = read_batch(folder, "test_batch")
    test = as_sequences(test_images), torch.tensor(test_labels).long()
    return Pixels("CIFAR-10", False, (x[train], y[train]), (x[val], y[val]), test)


def as_sequences(images: np.ndarray) -> Tensor:
    """Normalised grey values [n, 1024, 1] of images [n, 3, 1024] in uint8, with the weights that Pillow uses."""
    red, green, blue = images.astype(np.uint32).transpose(1, 0, 2)
    grey = ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.float32)
    return torch.tensor((grey / 255 - MEAN) / SPREAD)[..., None]


def read_batch(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 3, 1024] and labels [n], both uint8, of one file; raises as `load_cifar10` does."""
    places = [place / file for place in (folder, *sorted(folder.glob("*/"))) for file in (name, f"{name}.bin")]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        raise LookupError(f"{folder} holds neither {name} nor {name}.bin of CIFAR-10, nor does a folder in it")
    if path.suffix == ".bin":
        records = np.fromfile(path, dtype=np.uint8)
        if records.size == 0 or records.size % 3073:
            raise ValueError(f"{path}: {records.size} bytes are no whole number of records of 3073; download it again")
        records = records.reshape(-1, 3073)
        return records[:, 1:].reshape(-1, 3, 1024), records[:, 0]
    try:
        batch = OnlyArrays(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        return np.asarray(batch[b"data"], dtype=np.uint8).reshape(-1, 3, 1024), np.asarray(batch[b"labels"], np.uint8)
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a batch of CIFAR-10 ({error}); download it again") from None


class OnlyArrays(pickle.Unpickler):
    """Reads pickled numbers, text and arrays, and refuses anything that would run code."""

    def find_class(self, module: str, name: str):
        core = np._core.multiarray
        allowed = {"_reconstruct": core._reconstruct, "ndarray": np.ndarray, "dtype": np.dtype}
        if module.split(".")[0] == "numpy" and name in allowed:
            return allowed[name]
        if (module, name) == ("_codecs", "encode"):
            # how Python 3 writes bytes in a pickle for Python 2
            return lambda text, codec: text.encode("latin1")
        raise pickle.UnpicklingError(f"it names {module}.{name}")
