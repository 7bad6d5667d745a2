"""Prepared files with their checksums, so that a damaged one is named and made again and never becomes a result.

A manifest is a JSON document that says what was prepared and lists the size and the SHA-256 of every file that belongs
to it. It is written last, and whoever reads it has every file checked. It also holds the command that made the files:
a cell that finds one damaged has it made again just as it was, and nothing else is run anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from .atomic import remove
from .results import write_json

SEAL = "sealed"
"""Key of the checksum of the document itself."""

MAKERS = ("prepare-data", "prepare-model", "prepare-tokenizer")
"""Commands that make prepared files: a manifest can have no others run."""


class NotPrepared(FileNotFoundError):
    """A prepared file is missing or damaged."""


def write(path: Path, document: dict[str, Any], files: Iterable[Path], command: Sequence[str] = ()) -> dict[str, Any]:
    """Write a manifest.

    Args:
        path: of the manifest.
        document: what it says beside; equal files and an equal document make an equal manifest.
        files: what it lists, by names relative to its folder, or absolute ones where they lie elsewhere.
        command: words after `python -m ssmpeft_lib` that make the files and the manifest again.
    Returns:
        the document as written, with `files`, `command` and the checksum of all this.
    """
    path = Path(path)
    listed = {_name(file, path.parent): {"bytes": file.stat().st_size, "sha256": sha256(file)} for file in files}
    document = {**document, "files": dict(sorted(listed.items())), "command": list(map(str, command))}
    document[SEAL] = _seal(document)
    write_json(path, document)
    return document


def read(path: Path) -> dict[str, Any]:
    """The document of a manifest, after all its files were found as they were made.

    Raises:
        NotPrepared: the manifest or a file of it is missing or damaged.
    """
    path = Path(path)
    document = _parsed(path)
    problem = _damage(path, document)
    if problem:
        raise NotPrepared(f"{problem}; make it again with: snakemake --cores all --force {path}")
    return document


def ensure(path: Path) -> None:
    """Have damaged files made again. Several processes may ask for it at once.

    Files that come out as they were leave the manifest's time as it was, so that nothing that was made from them is
    made again. A manifest that is damaged itself is removed, so that the next run makes it and its files.

    Raises:
        NotPrepared: they could not be made again, or the manifest is missing or damaged.
    """
    from filelock import FileLock

    path = Path(path)
    before = _parsed(path, discard=True)
    if not _damage(path, before):
        return
    with FileLock(path.with_name(f".{path.name}.lock")):
        problem = _damage(path, _parsed(path))
        if not problem:
            return
        logging.warning("%s; it is made again", problem)
        made = path.stat().st_mtime_ns
        _make_again(path, before["command"])
        if read(path) == before:
            os.utime(path, ns=(made, made))
            logging.warning("%s: all is again as it was", path)
        else:
            logging.warning("%s: not all is as it was; the next run makes anew what was made from it", path)


def ensure_all(manifests: Iterable[Path]) -> None:
    """`ensure` for each manifest that is there; whoever reads one that is not says so."""
    for path in filter(Path.exists, manifests):
        ensure(path)


def contents(document: dict[str, Any]) -> str:
    """Digest of the contents of all files that a manifest lists, wherever they lie."""
    return digest(sorted(facts["sha256"] for facts in document["files"].values()))


def sha256(path: Path) -> str:
    """SHA-256 of a file's contents, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of a value that JSON can hold, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _parsed(path: Path, discard: bool = False) -> dict[str, Any]:
    if not path.exists():
        raise NotPrepared(f"{path} is missing; make it with: snakemake --cores all {path}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        problem = "" if document[SEAL] == _seal(document) else "its contents are others than when it was made"
    except (OSError, ValueError, RecursionError) as error:
        problem = f"it cannot be read ({type(error).__name__})"
    except (TypeError, KeyError):
        problem = "it has no checksum, as if an older version of this code had made it"
    if not problem:
        return document
    step = f"make it again with: snakemake --cores all --force {path}"
    if discard:
        remove(path)
        step = "it was removed, so that the same command as before makes it again"
    raise NotPrepared(f"{path} is damaged: {problem}; {step}")


def _damage(path: Path, document: dict[str, Any]) -> str:
    """What is wrong with the first damaged file of a manifest; empty where all are as they were made."""
    for name, facts in document["files"].items():
        file = path.parent / name
        if not file.is_file():
            return f"{file} is missing"
        if file.stat().st_size != facts["bytes"]:
            return f"{file} is damaged: it has {file.stat().st_size:,} bytes and had {facts['bytes']:,} when made"
        if sha256(file) != facts["sha256"]:
            return f"{file} is damaged: its contents are others than when it was made"
    return ""


def _make_again(path: Path, command: Sequence[str]) -> None:
    # nothing but what made it, and nowhere but where it lies
    folders = [Path(after).absolute().parent for word, after in pairwise(command) if word == "--output"]
    if not command or command[0] not in MAKERS or folders != [path.absolute().parent]:
        raise NotPrepared(f"{path} does not say how it was made; use: snakemake --cores all --force {path}")
    done = subprocess.run(
        [sys.executable, "-m", "ssmpeft_lib", *command], capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        raise NotPrepared(f"{path} could not be made again: {done.stderr.strip()[-500:]}")


def _name(file: Path, folder: Path) -> str:
    name = os.path.relpath(file, folder)
    return str(file.absolute()) if name.startswith(os.path.join("..", "..")) else name


def _seal(document: dict[str, Any]) -> str:
    return digest({key: value for key, value in document.items() if key != SEAL})
