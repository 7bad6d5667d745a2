"""The folder that the book is built from: files are touched only where they change, and what nobody wrote goes away.

Sphinx reads a page again when its file is newer, so a second build costs what changed, not the whole book.
"""

from __future__ import annotations

import shutil
from pathlib import Path

FILES = "_files"
"""Folder of what lies beside the pages as it is: CSV tables, notebooks, results."""


class Staging:
    """Writes pages and files into a folder.

    Args:
        folder: where the book is put together.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.written: set[Path] = set()

    def page(self, name: str, text: str, suffix: str = ".md") -> None:
        """A page by its name, such as `exhibits/table08`."""
        self.text(name + suffix, text)

    def text(self, path: str, text: str) -> None:
        """A text file of the book's source."""
        target = self._target(path)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

    def copy(self, source: Path, path: str) -> None:
        """A copy of a file, made again where size or time differ."""
        target, found = self._target(path), Path(source).stat()
        if target.exists():
            have = target.stat()
            if (have.st_size, have.st_mtime_ns) == (found.st_size, found.st_mtime_ns):
                return
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)

    def beside(self, path: str) -> str:
        """Path of a file that is to lie beside the pages as it is."""
        return f"{FILES}/{path}"

    def remove_others(self, keep: Path) -> list[Path]:
        """Remove every file that this run did not write but `keep`, and folders left empty; returns the files."""
        written = self.written | {Path(keep)}
        others = [path for path in self.folder.rglob("*") if path.is_file() and path not in written]
        for path in others:
            path.unlink()
        for path in sorted((path for path in self.folder.rglob("*") if path.is_dir()), reverse=True):
            if not any(path.iterdir()):
                path.rmdir()
        return others

    def _target(self, path: str) -> Path:
        target = self.folder / path
        self.written.add(target)
        return target
