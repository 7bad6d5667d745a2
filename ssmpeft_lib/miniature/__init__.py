"""What the quick scale runs on: generated miniatures of every data set, a corpus and a tokenizer for the stand-ins.

A miniature is written in its original's file format and read by the loader of the real files. It is synthetic, made
to be learnable by a model of two layers, and says nothing about the paper's numbers.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ssmpeft_lib.plan.registry import unknown

if TYPE_CHECKING:
    from PIL.Image import Image

GLUE = ("rte", "mrpc", "cola", "sst2", "qnli", "qqp", "mnli")

MINIATURES = {f"glue-{task}": "glue" for task in GLUE} | {
    name: name for name in ("dart", "samsum", "spider", "cifar10", "celeba")
}
"""Names of the data sets that have a miniature, with the module that writes it."""


def write(name: str, folder: Path, seed: int = 0) -> None:
    """Write the miniature of a data set below a data folder, in the original's files and formats.

    Args:
        name: the data set, for example `glue-rte` or `dart`.
        folder: what `data_dir` would point to; the files go to `folder/glue/RTE/`, `folder/dart/`, and so on.
        seed: another seed gives other examples of the same kind.
    Raises:
        LookupError: there is no miniature of that name.
    """
    _writer(name).write(name, Path(folder), seed)


def preview(name: str, count: int = 3, seed: int = 0) -> list[tuple[tuple[str, ...] | Image, str]]:
    """The first training examples of a miniature, to show: the parts of the input or the picture, and the label.

    Raises:
        LookupError: there is no miniature of that name.
    """
    return _writer(name).preview(name, count, seed)


def _writer(name: str) -> ModuleType:
    if name not in MINIATURES:
        raise LookupError(unknown("miniature", name, MINIATURES, "ssmpeft_lib/miniature/"))
    return import_module(f"{__name__}.{MINIATURES[name]}")
