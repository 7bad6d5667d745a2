"""What is called inside Jupyter Book 1: its own build function, which uses all cores, where its command uses one.

Where a version has the function otherwise, a warning says so and the command builds the book, more slowly.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import subprocess
import sys
from pathlib import Path

from .window import warn_changed

TRIED = "1.0.4.post1"

KNOWN = {"noconfig", "path_config", "confoverrides", "builder", "warningiserror", "keep_going", "quiet", "jobs"}
"""Arguments that the function has to take."""


def build(source: Path, folder: Path, builder: str) -> tuple[bool, str]:
    """Do what `jupyter-book build --warningiserror --nitpick --keep-going` does.

    Args:
        source: with `_config.yml` and `_toc.yml`.
        folder: the book comes to lie in `_build/<builder>` below it.
        builder: `html` or `singlehtml`.
    Returns:
        whether all went well, and what was written to the terminal.
    """
    from jupyter_book import sphinx

    function = getattr(sphinx, "build_sphinx", None)
    if function is not None and KNOWN <= inspect.signature(function).parameters.keys():
        return _with_function(function, source, folder / "_build" / builder, builder)
    warn_changed("jupyter-book", "jupyter_book.sphinx.build_sphinx", TRIED, "its command builds the book, on one core")
    return _with_command(source, folder, builder)


def _with_function(function, source: Path, built: Path, builder: str) -> tuple[bool, str]:
    written = io.StringIO()
    with contextlib.redirect_stderr(written), contextlib.redirect_stdout(written):
        status = function(
            source,
            built,
            noconfig=True,
            path_config=source / "_config.yml",
            confoverrides={
                "external_toc_path": str(source / "_toc.yml"),
                "nitpicky": True,
                "latex_individualpages": False,
            },
            builder=builder,
            warningiserror=True,
            keep_going=True,
            quiet=True,
            jobs=len(os.sched_getaffinity(0)),
        )
    # a number, or the exception that ended it
    return status == 0, written.getvalue().strip() or str(status)


def _with_command(source: Path, folder: Path, builder: str) -> tuple[bool, str]:
    code = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    options = [
        "--path-output",
        str(folder),
        "--builder",
        builder,
        "--warningiserror",
        "--nitpick",
        "--keep-going",
        "-q",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, "build", str(source), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    return done.returncode == 0, done.stdout.strip()
