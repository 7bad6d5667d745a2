"""Pickles of dicts, lists, numbers, text and arrays of bytes, as CIFAR-10's batches are. Nothing else is admitted.

A pickle is a program that calls functions by name. Here the four names that a pickled array needs stand for objects
that only take notes; no function of numpy's, let alone another, is ever called by a pickle.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np


def loads(contents: bytes, name: str) -> dict[bytes | str, Any]:
    """The dict in a pickle, with Python 2's strings as bytes.

    Args:
        contents: the pickle.
        name: the file, for messages.
    Raises:
        ValueError: it holds no dict, asks for anything but plain data and arrays of bytes, or is damaged.
    """
    try:
        loaded = _Unpickler(io.BytesIO(contents), encoding="bytes").load()
        return {key: value.pixels if isinstance(value, _Array) else value for key, value in loaded.items()}
    # A damaged pickle can make the unpickler raise nearly anything.
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(f"{name}: not a pickle of plain data ({problem}); get the file again") from None


class _Unpickler(pickle.Unpickler):  # noqa: S301 - it finds none but the four names below
    def find_class(self, module: str, name: str) -> Any:
        """What stands in for a name."""
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _Array
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return _Kind
        if (module, name) == ("_codecs", "encode"):
            return _Bytes
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it asks for something outside the file")


class _Kind:
    """Stands in for `numpy.ndarray` and for a dtype."""

    __slots__ = ("name",)

    def __init__(self, name: bytes | str, *options: Any) -> None:
        self.name = name.decode() if isinstance(name, bytes) else name

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like, which bytes do not have."""


class _Bytes(bytes):
    """Stand in for `_codecs.encode`, by which Python 3 writes bytes for Python 2."""

    __slots__ = ()

    def __new__(cls, text: str, encoding: str) -> bytes:
        return text.encode("latin1")


class _Array:
    """Stands in for an array: an empty one first, which is then told its shape, kind and contents."""

    __slots__ = ("pixels",)

    def __init__(self, kind: type, shape: tuple, type_code: bytes) -> None:
        self.pixels = np.zeros(0, dtype=np.uint8)

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, columns_first, contents = state
        if not isinstance(kind, _Kind) or kind.name not in ("u1", "|u1"):
            raise pickle.UnpicklingError("it has an array of something other than bytes (u1)")
        flat = np.frombuffer(contents, dtype=np.uint8)
        self.pixels = flat.reshape(shape, order="F" if columns_first else "C")
