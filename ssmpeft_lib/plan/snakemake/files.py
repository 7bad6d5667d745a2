"""Files that rules name, as Snakemake sees them: relative to the working directory, below `results/`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

from .. import paths
from ..cell import Cell


def result(path: PurePath | str) -> str:
    """A file below the results directory."""
    return f"results/{path}"


def metrics_file(cell: Cell) -> str:
    """The result of a cell."""
    return result(paths.metrics_file(cell))


def tokenizer_files(scale: str, tokenizer: str) -> list[str]:
    """A tokenizer's file and, after it, that with its checksum; none for what is no text."""
    if tokenizer == paths.NO_TOKENIZER:
        return []
    return [result(paths.tokenizer_file(scale, tokenizer)), result(paths.tokenizer_manifest(scale, tokenizer))]


def data_file(scale: str, dataset: str, model: str) -> str:
    """A data set, encoded with the tokenizer of a model."""
    return result(paths.data_file(scale, dataset, paths.tokenizer_of(scale, model)))


def cell_of(wildcards: Any) -> Cell:
    """The cell that a rule's wildcards name; without a seed among them, of seed 0."""
    seed = int(getattr(wildcards, "seed", 0))
    return Cell(wildcards.scale, wildcards.model, wildcards.method, wildcards.dataset, seed)


def option(name: str, files: Iterable[Path | str]) -> str:
    """Files as an option of a command line; nothing without a file."""
    return " ".join(f"--{name} {shlex.quote(str(file))}" for file in files)
