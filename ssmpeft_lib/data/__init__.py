"""Data sets, one file each: what is known of them, how they are asked and scored, and how their files are read.

A file of this folder serves one data set, or several that are read alike. It has

- `DATASETS`: for each name a literal dict with the fields of `DatasetFacts` (ssmpeft_lib/plan/facts.py), which planning
  reads without running the file;
- the functions of `Dataset` below; a function without "by default" has to be there;
- `GROUPS`, if some of its data sets have a name together: a literal dict of lists.

Every other module reaches them through `dataset(name)`, which fills in the defaults. Start from samsum.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from ..plan import registry
from ._task import Example, Splits, Task

if TYPE_CHECKING:
    from numpy import ndarray
    from torch import Generator, Tensor

__all__ = ["Dataset", "Encoder", "Example", "Splits", "Task", "dataset"]


class Encoder(Protocol):
    """How the examples of a data set become numbers; the default is a tokenizer set up for the task."""

    def __init__(self, task: Task, tokenizer: Path | None) -> None: ...

    def arrays(self, examples: Sequence[Example], limit: int | None) -> tuple[dict[str, ndarray], ndarray]:
        """Encode examples, and say which of them are no longer than `limit`.

        Returns:
            `input_ids` and `label_ids`, all examples' on end, `input_spans` and `label_spans`, int64 [kept, 2], where
            each example's lie in them; and the indices of the kept examples.
        """

    def max_seq_len(self, arrays: Mapping[str, ndarray]) -> int:
        """Length of the longest example, as Table 6 counts it."""


class Dataset(Protocol):
    """What a file of this folder has. `name` says which of its data sets is meant."""

    DATASETS: Mapping[str, Mapping[str, Any]]

    def task(name: str) -> Task:
        """How the data set is asked and scored."""

    def read_files(name: str, folder: Path) -> Splits:
        """The official splits that lie in a folder, in any form that users have; an empty dict where there are none.

        Raises:
            ValueError: a file is damaged; names the file and the entry.
        """

    def write_miniature(name: str, folder: Path, seed: int) -> None:
        """Write a small generated stand-in in the original's format, where `data_dir` would point to."""

    def read_miniature(name: str, folder: Path) -> Splits:
        """The splits of what `write_miniature` wrote; by default `read_files`."""

    def read_hub(name: str, folder: Path | None = None) -> Splits:
        """The official splits from the Hugging Face hub; by default a LookupError that asks for files."""

    def generate(name: str) -> Splits:
        """The splits of a data set that its facts call `generated`, in place of the four functions above."""

    def cut_indices(n: int) -> tuple[ndarray, ndarray]:
        """Indices of `n` training examples that are kept, and that are cut off; by default the authors' usual cut."""

    def check_scorable(role: str, examples: Sequence[Example]) -> None:
        """Raise a LookupError where answers cannot be scored; by default nothing is asked."""

    Encoder: type[Encoder]
    """How examples become numbers; by default `TextEncoder` (ssmpeft_lib/data/_encode.py)."""

    def normalised(values: ndarray) -> ndarray:
        """What a model reads of encoded numbers; None by default, as for texts."""

    def drawn(sequences: int, generator: Generator) -> Tensor:
        """New inputs of training, float32 [sequences, ...], where the facts say `resampled`; None by default."""


def dataset(name: str) -> Dataset:
    """The functions of a data set, with the defaults of those that its file leaves out.

    Raises:
        LookupError: no file serves that name.
        ValueError: the file has a function whose name is nearly one of these.
    """
    module = registry.load("data", name)
    _check_spelling(module)
    known = {hook: getattr(module, hook) for hook in HOOKS if hasattr(module, hook)}
    return SimpleNamespace(**(_defaults(module) | known))


HOOKS = tuple(hook for hook in vars(Dataset) if not hook.startswith("_")) + ("Encoder",)
"""Names that a file's functions and class have."""


def _defaults(module: ModuleType) -> dict[str, Any]:
    from ._encode import TextEncoder
    from ._source import cut_indices

    return {
        "read_miniature": getattr(module, "read_files", None),
        "read_hub": _not_on_the_hub,
        "cut_indices": cut_indices,
        "check_scorable": lambda role, examples: None,
        "Encoder": TextEncoder,
        "normalised": None,
        "drawn": None,
    }


def _not_on_the_hub(name: str, folder: Path | None = None) -> Splits:
    raise LookupError(f"{name} is not read from the hub: put its original files into a folder and set data_dir to it")


def _check_spelling(module: ModuleType) -> None:
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
        meant = get_close_matches(name, HOOKS, n=1, cutoff=0.8) if own and name not in HOOKS else []
        if meant:
            raise ValueError(
                f"ssmpeft_lib/data/{module.__name__.rpartition('.')[2]}.py: nothing calls {name}; is it {meant[0]}? "
                "Otherwise let its name begin with _"
            )
