"""Pickles as Python 2 wrote them: CIFAR-10's batches are such files, and readers rely on it."""

from __future__ import annotations

import io
import pickle
import struct


class _Pickler(pickle._Pickler):
    """Protocol 2 with byte strings as Python 2's `str`, and numpy's functions under their names of that time."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_str(self, obj: bytes | str) -> None:
        data = obj.encode("ascii") if isinstance(obj, str) else obj
        if len(data) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(obj)

    dispatch[bytes] = dispatch[str] = save_str

    def save_global(self, obj: object, name: str | None = None) -> None:
        module = obj.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{obj.__name__}\n".encode("ascii"))
        self.memoize(obj)


def dumps(value: object) -> bytes:
    """The pickle of a value made of dicts, lists, numbers, byte strings and numpy arrays.

    Read with `encoding="bytes"`, strings come back as bytes; with `latin1`, as text.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()
