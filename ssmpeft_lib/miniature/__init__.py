"""What the quick scale runs on: generated miniatures of every data set, a corpus and a tokenizer for the stand-ins.

A miniature is written in its original's file format and read by the loader of the real files. It is synthetic, made
to be learnable by a model of two layers, and says nothing about the paper's numbers.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ssmpeft_lib.plan.registry import unknown

WRITERS = ("glue", "dart", "samsum", "spider", "cifar10", "celeba")
"""Modules that write miniatures; `glue` writes one for each of its tasks, such as `glue-rte`."""


def write(name: str, folder: Path, seed: int = 0) -> None:
    """Write the miniature of a data set below a data folder, in the original's files and formats.

    Args:
        name: the data set, for example `glue-rte` or `dart`.
        folder: what `data_dir` would point to; the files go to `folder/glue/RTE/`, `folder/dart/`, and so on.
        seed: another seed gives other examples of the same kind.
    Raises:
        LookupError: there is no miniature of that name.
    """
    writer = name.partition("-")[0]
    if writer not in WRITERS:
        raise LookupError(unknown("miniature", name, WRITERS, "ssmpeft_lib/miniature/"))
    import_module(f"{__name__}.{writer}").write(name, Path(folder), seed)
