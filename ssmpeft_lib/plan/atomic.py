"""Files and folders that are there whole or not at all, also after a power cut: the only place that renames results.

What is written goes to a draft beside the target, is flushed to the disk, and takes the target's place by a rename,
which is flushed as well. A draft that a killed process left is removed by the next writer of the same target.
"""

from __future__ import annotations

import errno
import glob
import os
import platform
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRAFT = "draft"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield the path of a draft to write; when the block ends well, it becomes the file `path`.

    The draft has the ending of `path`. When the block raises, `path` is as it was. A folder in its place is an error.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _new_draft(path)
    try:
        yield draft
        put_in_place(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends well, it becomes the folder `path`, whatever was there.

    A reader sees the old folder or the new one, never a part of either.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _new_draft(path)
    old = draft.with_name(f"{draft.name}.old")
    try:
        draft.mkdir()
        yield draft
        for current, _, names in os.walk(draft):
            for name in (*names, "."):
                flush(Path(current, name))
        if path.exists():
            os.replace(path, old)
        os.replace(draft, path)
        flush(path.parent)
    finally:
        remove(draft)
        remove(old)


def put_in_place(file: Path, path: Path) -> None:
    """Flush a file that was written and rename it, within one file system."""
    flush(file)
    os.replace(file, path)
    flush(path.parent)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file so that `path` holds the old contents or the new ones, never a part."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk; a file system that cannot do so is left alone."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _new_draft(path: Path) -> Path:
    """A draft's path that no other process or thread uses; those of processes that have ended are removed."""
    start = f".{path.stem}.{platform.node()}."
    for left in path.parent.glob(f"{glob.escape(start)}*.{DRAFT}*"):
        owner = left.name.removeprefix(start).partition(".")[0]
        if owner.isdigit() and not _runs(int(owner)):
            remove(left)
    return path.with_name(f"{start}{os.getpid()}.{threading.get_ident()}.{DRAFT}{path.suffix}")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
