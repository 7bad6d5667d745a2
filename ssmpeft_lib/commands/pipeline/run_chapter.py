"""Execute a chapter of the book, a notebook kept as MyST text. A cell that fails ends the command."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


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
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}")
    jupytext.write(jupytext.read(arguments.notebook), partial, fmt="ipynb")
    error = execute(partial, partial, {})
    if error is not None:
        raise ValueError(f"{arguments.notebook}: a cell failed, see {partial}: {error['type']}: {error['message']}")
    os.replace(partial, output)
