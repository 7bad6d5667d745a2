"""Members of zip, tar and 7z archives, read into memory and never extracted, so that no name leads out of a folder."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z")


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive."""
    return path.name.lower().endswith(SUFFIXES)


def members(path: Path) -> list[str]:
    """Names of the regular files in an archive.

    Raises:
        ValueError: the archive is damaged, or is a .7z and py7zr is not installed.
    """
    with _readable(path):
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                return [info.filename for info in archive.infolist() if not info.is_dir()]
        if path.suffix.lower() == ".7z":
            with _py7zr(path).SevenZipFile(path) as archive:
                return [info.filename for info in archive.list() if not info.is_directory]
        with tarfile.open(path) as archive:
            return [info.name for info in archive if info.isfile()]


def read(path: Path, member: str, limit: int) -> bytes:
    """Contents of one member, at most `limit` + 1 bytes of them.

    Raises:
        ValueError: the archive is damaged.
    """
    with _readable(path):
        if path.suffix.lower() == ".zip":
            with _opened_zip(path, path.stat().st_mtime_ns).open(member) as stream:
                return _read(stream, limit)
        if path.suffix.lower() == ".7z":
            return _read_seven_zip(path, member, limit)
        with tarfile.open(path) as archive:
            return _read(archive.extractfile(member), limit)


@lru_cache(maxsize=2)
def _opened_zip(path: Path, changed: int) -> zipfile.ZipFile:
    """A zip that stays open: listing the 200,000 images of one for each that is read would take days."""
    return zipfile.ZipFile(path)


def _read(stream: BinaryIO, limit: int) -> bytes:
    return stream.read(limit + 1)


def _read_seven_zip(path: Path, member: str, limit: int) -> bytes:
    py7zr = _py7zr(path)
    factory = py7zr.io.BytesIOFactory(limit + 1)
    with py7zr.SevenZipFile(path) as archive:
        archive.extract(targets=[member], factory=factory)
    return factory.get(member).read()


def _py7zr(path: Path):
    try:
        import py7zr.io
    except ImportError:
        raise ValueError(f"{path}: a .7z archive needs `pip install py7zr`, or unpack it beside") from None
    return py7zr


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the archive libraries raise into one error that says what to do."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path}: the archive cannot be read ({type(error).__name__}: {error}); get it again"
        ) from None
