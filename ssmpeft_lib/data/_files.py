"""Files of a data set, plain or in an archive, found by their names."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath

from . import _archives

MAX_BYTES = 2 * 2**30
"""No file that is read here is larger; what claims or unpacks to more is refused."""

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""What stands in a repository for a large file."""

SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\D.*)", re.DOTALL)
"""Name of one of several files that are one together, as the hub writes them: train-00000-of-00002.parquet."""

MAX_DEPTH = 4
"""How many folders below a data set's folder are looked into."""


@dataclass(frozen=True, order=True)
class File:
    """A file on disk, or a member of an archive on disk.

    Attributes:
        path: the file, or the archive.
        member: name inside the archive; empty for a plain file.
        shards: all files that are this one together, in order, where it is one of several; else empty.
    """

    path: Path
    member: str = ""
    shards: tuple[File, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}!{self.member}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """Last part of the name in lower case."""
        return PurePosixPath(self.member or self.path.name).name.lower()

    @property
    def suffix(self) -> str:
        """Ending of the name in lower case, with its dot."""
        return PurePosixPath(self.member or self.path.name).suffix.lower()

    def read(self) -> bytes:
        """Contents.

        Raises:
            ValueError: there is more than `MAX_BYTES` of it, it only stands for a file, or the archive is damaged.
        """
        if self.member:
            contents = _archives.read(self.path, self.member, MAX_BYTES)
        else:
            with self.path.open("rb") as stream:
                contents = stream.read(MAX_BYTES + 1)
        if len(contents) > MAX_BYTES:
            raise ValueError(f"{self}: more than {MAX_BYTES:,} bytes; this is not a file of the data set")
        if contents.startswith(LFS_POINTER):
            raise ValueError(f"{self}: this is a git-lfs pointer, not the file that it stands for; run: git lfs pull")
        return contents

    def text(self) -> str:
        """Contents as UTF-8, without a byte order mark, with the line ends as they are.

        Raises:
            ValueError: the contents are not UTF-8; names the byte.
        """
        try:
            return self.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{self}: not UTF-8 at byte {error.start:,}; save the file as UTF-8") from None


class Folder:
    """What lies in a data set's folder, at most `MAX_DEPTH` folders down, archives looked into."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @cached_property
    def files(self) -> tuple[File, ...]:
        """Every file, those in archives last, so that an unpacked copy goes before its archive."""
        plain: list[Path] = []
        for current, folders, names in os.walk(self.path):
            depth = len(Path(current).relative_to(self.path).parts)
            folders[:] = sorted(name for name in folders if depth < MAX_DEPTH and not name.startswith("."))
            plain += [Path(current, name) for name in sorted(names) if not name.startswith(".")]
        archives = [path for path in plain if _archives.is_archive(path)]
        files = [File(path) for path in plain if not _archives.is_archive(path)]
        return (*files, *(File(path, member) for path in archives for member in _archives.members(path)))

    def find(self, *patterns: str) -> File | None:
        """The first file that matches the first of the patterns which any file matches, with its shards.

        A warning says which other files match that pattern as well and are not read.

        Args:
            patterns: globs for the end of a path, compared without regard to case, such as `rte/train.tsv`.
        """
        for pattern in patterns:
            matching = [file for file in self.files if self._matches(file, pattern)]
            if matching:
                return self._chosen(matching)
        return None

    def _matches(self, file: File, pattern: str) -> bool:
        name = (file.member or file.path.relative_to(self.path).as_posix()).lower()
        return fnmatchcase(name, pattern) or fnmatchcase(name, f"*/{pattern}")

    def _chosen(self, matching: list[File]) -> File:
        first = matching[0]
        parsed = {file: SHARD.fullmatch(str(file)) for file in matching}
        shards = [first]
        if parsed[first]:
            start, _, count, ending = parsed[first].groups()
            of_one = {int(m[2]): f for f, m in parsed.items() if m and (m[1], m[3]) == (start, count)}
            missing = sorted(set(range(int(count))) - set(of_one))
            if missing:
                raise ValueError(f"{start}-{missing[0]:05}-of-{count}{ending}: this part is missing; get it as well")
            shards = [of_one[number] for number in range(int(count))]
            first = replace(shards[0], shards=tuple(shards))
        # an archive beside what was unpacked from it is no other candidate
        others = [str(file) for file in matching if file not in shards and bool(file.member) == bool(first.member)]
        if others:
            warnings.warn(f"{first} is read; not read, though its name fits as well: {', '.join(others)}", stacklevel=4)
        return first
