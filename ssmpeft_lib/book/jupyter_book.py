"""Build the book with Jupyter Book, and put the result in place whole."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path

from ..compat import jupyter_book as compat
from ..plan.atomic import replacing_folder, write_text

BUILD = ".jupyter-book"
"""Folder beside the book's source where Jupyter Book keeps what it has read; a second build costs what changed."""

EXTENSIONS = "_ext"

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class BookError(ValueError):
    """Jupyter Book found an error, or something to warn of."""


def make_html(source: Path, target: Path) -> Path:
    """Build the pages in `source` and put them in place of `target`.

    Args:
        source: folder of the book's source, with `_config.yml` and `_toc.yml`.
        target: folder of the finished book. It holds the old pages or the new ones, never a part of either.
    Returns:
        the path of `index.html`.
    Raises:
        BookError: Jupyter Book failed or warned; with its warnings.
    """
    source, target = Path(source).resolve(), Path(target).resolve()
    build = source.parent / BUILD
    _forget_if_changed(source, build)
    # Sphinx copies style sheets, scripts and files only when some page is new
    (source / "index.md").touch()
    _replace(run_jupyter_book(source, build), target)
    return target / "index.html"


def run_jupyter_book(source: Path, build: Path, builder: str = "html") -> Path:
    """Build the book on all cores; returns the built folder.

    Raises:
        BookError: Jupyter Book failed or warned; with its warnings.
    """
    well, written = compat.build(source, build, builder)
    if not well:
        raise BookError(f"{source}: Jupyter Book did not build it:\n{COLOUR.sub('', written)}")
    return build / "_build" / builder


def _forget_if_changed(source: Path, build: Path) -> None:
    """Build anew when the extensions or the libraries are others, or a source is gone: Sphinx looks at none of them.

    What it made of a source that is gone would stay in the book.
    """
    digest = hashlib.sha256("".join(map(version, ("sphinx", "myst-nb", "jupyter-book", "sphinx-book-theme"))).encode())
    for path in sorted((source / EXTENSIONS).rglob("*.py")):
        digest.update(path.read_bytes())
    there = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    stamp, known = build / "extensions", build / "sources.json"
    if (
        not stamp.exists()
        or stamp.read_text(encoding="utf-8") != digest.hexdigest()
        or not known.exists()
        or not there.issuperset(json.loads(known.read_text(encoding="utf-8")))
    ):
        shutil.rmtree(build, ignore_errors=True)
        build.mkdir(parents=True)
        stamp.write_text(digest.hexdigest(), encoding="utf-8")
    write_text(known, json.dumps(sorted(there)))


def _replace(built: Path, target: Path) -> None:
    """Put a copy of a folder in the place of another, so that nobody sees half of it."""
    with replacing_folder(target) as draft:
        shutil.copytree(built, draft, dirs_exist_ok=True)
        (draft / "index.html").touch()
