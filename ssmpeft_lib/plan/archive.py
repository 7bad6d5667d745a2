"""Results of cells as one file: made where they were computed, taken apart where they are shown.

A gzipped tar. Its first member, manifest.json, says the version of the format and of the results and gives the SHA-256
of every other member; these are files of cells, at `scale/cells/model/method/dataset/seedN/`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from .atomic import put_in_place, replacing
from .cell import SCALES, Cell
from .paths import METRICS, all_metrics
from .publishable import publishable
from .results import RESULTS_VERSION, read_metrics

FORMAT = 1
MANIFEST = "manifest.json"
MOST_EXPANSION = 200
"""Times that results may be larger than the archive; those of cells are about twenty times, zeros a thousand."""

ROOM_FOR_HEADERS = 1 << 20
"""Bytes that every archive may unpack to besides; tar's own blocks are mostly zeros."""

FILES = (METRICS, "cell.ipynb", "predictions.jsonl")
"""What is kept of a cell: all that the book shows. Adapters stay where they are."""


def pack(results: Path, scale: str, target: Path, without_texts: bool = False) -> list[Cell]:
    """Write the results of a scale into one file, whole or not at all.

    Args:
        results: the results directory. Those of what the library does not know, such as a data set whose file was
            taken away, are left out, and the log says which.
        target: the file to write; equal results give equal bytes.
        without_texts: leave out what the data sets' licences do not let be passed on, see `publishable`.
    Returns:
        the cells in it.
    Raises:
        ValueError: there are no results, or those of several versions.
    """
    folders = [path.parent for path in all_metrics(results, scale) if _is_known(path.parent.relative_to(results))]
    if not folders:
        raise ValueError(f"no results of scale {scale!r} below {results}/")
    cells = [_check_result(folder / METRICS, folder.relative_to(results).as_posix()) for folder in folders]
    version = _one_version(results, [folder / METRICS for folder in folders])
    names = [(folder / name).relative_to(results) for folder in folders for name in FILES if (folder / name).exists()]
    datasets = {folder.relative_to(results): cell.dataset for folder, cell in zip(folders, cells, strict=True)}

    def content(name: PurePosixPath) -> bytes:
        found = (results / name).read_bytes()
        return publishable(name.name, found, datasets[name.parent]) if without_texts else found

    files = {name.as_posix(): hashlib.sha256(content(name)).hexdigest() for name in names}
    manifest = {"format": FORMAT, "results_version": version, "files": files}
    with replacing(target) as draft, open(draft, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w") as tar:
            text = json.dumps(manifest, indent=1).encode()
            _add(tar, MANIFEST, io.BytesIO(text), len(text))
            for name in names:
                found = content(name)
                _add(tar, name.as_posix(), io.BytesIO(found), len(found))
    return cells


def unpack(archive: Path, results: Path, replace: bool = False) -> list[Cell]:
    """Put the results of an archive into a results directory, after everything in it was checked.

    Args:
        archive: written by `pack`.
        results: the results directory.
        replace: whether cells that have another result there may be replaced.
    Returns:
        the cells.
    Raises:
        ValueError: the file is damaged or not such an archive; it holds anything but files of cells, results of another
            version than this code's, or a cell that has another result here.
    """
    results.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=results, prefix=".unpack-") as scratch:
        draft = Path(scratch)
        try:
            with gzip.open(archive) as zipped, tarfile.open(fileobj=_Bounded(zipped, archive), mode="r|") as tar:
                names = _extract(tar, draft, archive)
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{archive}: damaged, or not an archive of results ({error})") from None
        found = [name for name in names if name.name == METRICS]
        cells = [_check_result(draft / name, name.parent.as_posix()) for name in found]
        _one_version(draft, [draft / name for name in found], expected=RESULTS_VERSION)
        _check_against(results, draft, found, replace)
        # a cell without metrics.json has no result: that file goes first and comes last
        for cell in found:
            for name in sorted(FILES, key=lambda name: name != METRICS):
                (results / cell.parent / name).unlink(missing_ok=True)
        for name in sorted(names, key=lambda name: name.name == METRICS):
            (results / name).parent.mkdir(parents=True, exist_ok=True)
            put_in_place(draft / name, results / name)
    return cells


class _Bounded:
    """What an archive unpacks to, up to a bound: a few bytes may stand for any number of zeros.

    Raises:
        ValueError: in `read`, before more than `MOST_EXPANSION` times the archive's size was unpacked, or more than the
            disk has room for.
    """

    def __init__(self, file: BinaryIO, archive: Path):
        self._file, self._archive = file, archive
        room = shutil.disk_usage(archive.absolute().parent).free
        self.left = min(ROOM_FOR_HEADERS + MOST_EXPANSION * archive.stat().st_size, room)

    def read(self, size: int) -> bytes:
        """The next bytes."""
        block = self._file.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise ValueError(
                f"{self._archive}: unpacks to more than {MOST_EXPANSION} times its size, or than the disk has room "
                "for; nothing was unpacked"
            )
        return block


def _extract(tar: tarfile.TarFile, draft: Path, archive: Path) -> list[PurePosixPath]:
    """Write the members below a folder, by the names of the manifest that were checked, never by those of the tar."""
    members = iter(tar)
    first = next(members, None)
    if first is None or first.name != MANIFEST or not first.isreg():
        raise ValueError(f"{archive}: not an archive of results: it does not begin with {MANIFEST}")
    files = _manifest(tar.extractfile(first).read(), archive)
    for member in members:
        if member.name not in files or not member.isreg() or member.issparse():
            raise ValueError(f"{archive}: {member.name!r} is not a file that the manifest lists")
        target = draft / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "wb") as file:
            for block in _blocks(tar.extractfile(member)):
                file.write(block)
        if _digest(target) != files[member.name]:
            raise ValueError(f"{archive}: the checksum of {member.name} is wrong; the file is damaged, copy it again")
    if absent := sorted(name for name in files if not (draft / name).exists()):
        raise ValueError(f"{archive}: {absent[0]} is missing; the file is damaged, copy it again")
    return [PurePosixPath(name) for name in files]


def _manifest(text: bytes, archive: Path) -> dict[str, str]:
    """Checksums by name, when every name is one of a cell's file."""
    try:
        manifest: dict[str, Any] = json.loads(text)
        kind, files = manifest["format"], dict(manifest["files"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{archive}: not an archive of results: its {MANIFEST} cannot be read") from None
    if kind != FORMAT:
        raise ValueError(f"{archive}: has format {kind}, this code reads format {FORMAT}")
    for name in files:
        folder, _, last = name.rpartition("/")
        try:
            known, why = last in FILES and _cell_of(folder).path.as_posix() == folder, ""
        except (ValueError, LookupError) as error:
            known, why = False, f" ({error.args[0]})"
        if not known:
            raise ValueError(f"{archive}: {name!r} is not the name of a cell's file{why}; nothing was unpacked")
    return files


def _cell_of(folder: str) -> Cell:
    """The cell of a folder such as `quick/cells/mamba-130m/lora/dart/seed0`."""
    scale, cells, *words = folder.split("/")
    if scale not in SCALES or cells != "cells":
        raise ValueError(f"{folder!r} is not the folder of a cell")
    return Cell.parse("/".join([scale, *words]))


def _is_known(folder: Path) -> bool:
    """Whether the words of a cell's folder are those of the library; a warning says where they are not."""
    try:
        _cell_of(folder.as_posix())
    except LookupError as error:
        logging.warning("%s is left out: %s", folder, error.args[0])
        return False
    return True


def _check_result(path: Path, folder: str) -> Cell:
    cell = _cell_of(folder)
    said = read_metrics(path)["cell"]
    if said != str(cell):
        raise ValueError(f"{path}: says that it is the result of {said}, and lies in the folder of {cell}")
    return cell


def _one_version(root: Path, paths: Iterable[Path], expected: int | None = None) -> int:
    """The version of all results.

    Raises:
        ValueError: there are several, or another one than expected; names a result of each.
    """
    found = {read_metrics(path)["made_by"]["results_version"]: path.relative_to(root).parent for path in paths}
    if len(found) > 1:
        examples = "; ".join(f"version {version}: {folder}" for version, folder in sorted(found.items()))
        raise ValueError(f"results of several versions, which may not be mixed ({examples}); run the older ones again")
    version = next(iter(found), expected)
    if expected is not None and version != expected:
        raise ValueError(
            f"the results are of version {version}, this code makes version {expected}; run them again, or check out "
            f"the code that made them"
        )
    return version


def _check_against(results: Path, draft: Path, names: Iterable[PurePosixPath], replace: bool) -> None:
    """Refuse to mix versions within a scale, and to replace another result of a cell unasked."""
    scales = {name.parts[0] for name in names}
    here = [path for scale in scales for path in (results / scale / "cells").glob(f"*/*/*/*/{METRICS}")]
    arriving = {results / name for name in names}
    _one_version(results, [path for path in here if path not in arriving], expected=RESULTS_VERSION)
    if replace:
        return
    for name in names:
        if (results / name).exists() and (results / name).read_bytes() != (draft / name).read_bytes():
            raise ValueError(f"{results / name} holds another result of that cell; say --replace to replace it")


def _add(tar: tarfile.TarFile, name: str, file: BinaryIO, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    tar.addfile(member, file)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _blocks(file: BinaryIO, size: int = 1 << 20) -> Iterator[bytes]:
    while block := file.read(size):
        yield block
