"""Execute a chapter of the book, a notebook kept as MyST text. A cell that fails ends the command."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...plan.atomic import put_in_place, replacing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `run-chapter`."""
    parser.add_argument("notebook", type=Path, help="a file of notebooks/, such as notebooks/theory.md")
    parser.add_argument("--output", type=Path, required=True, help="the executed notebook, .ipynb")


def run(arguments: argparse.Namespace) -> None:
    """Execute the notebook.

    Raises:
        ValueError: a cell of the notebook failed.
    """
    import jupytext

    from ...execute.notebook import execute

    output = arguments.output
    failed = output.with_name(f"failed-{output.name}")
    with replacing(output) as draft:
        jupytext.write(jupytext.read(arguments.notebook), draft, fmt="ipynb")
        error = execute(draft, draft, {})
        if error is not None:
            put_in_place(draft, failed)
            raise ValueError(f"{arguments.notebook}: a cell failed, see {failed}: {error['type']}: {error['message']}")
    failed.unlink(missing_ok=True)
