"""The synthetic regression of Sec. 5.3: random integers 0 to 9 in 64 channels, and what a one-layer S4 makes of them.

Figures 1 and 2 are made from it. It is no language and no classification: the target is 64 numbers at each of 200
steps, so that no model of the tables is run on it; `notebooks/regression.md` and the command `regression` are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ._task import Example, Splits, Task

DATASETS = {
    "synthetic-regression": {
        "train": 1, "val": 16, "test": 16, "max_seq_len": 200, "epochs": 500, "batch_size": 1,
        "folder": None, "splits": {"train": "train", "val": "fresh", "test": "fresh"}, "generated": True,
        "modality": "series",
    },
}  # fmt: skip
"""The paper's text trains on one sequence, drawn once, for 500 iterations; new sequences are never trained on."""

SEED = 0


def task(name: str) -> Task:
    """Mean squared error, which is taken where it is trained; nothing is answered in words."""
    return Task(instruction="", labels=(), metrics=(), headline="")


def generate(name: str) -> Splits:
    """The draw of seed 0: inputs and targets as text, a step's channels after the other's."""
    from ..theory.regression import Data, draw

    facts = DATASETS[name]
    problem = draw(SEED, Data(facts["train"]), fresh=facts["test"])
    return {
        "train": _as_examples(problem.x.numpy(), problem.y.numpy()),
        "fresh": _as_examples(problem.fresh_x.numpy(), problem.fresh_y.numpy()),
    }


def _as_examples(inputs: np.ndarray, targets: np.ndarray) -> list[Example]:
    return [
        Example(" ".join(map(str, x.astype(int).ravel())), " ".join(f"{value:.9g}" for value in y.ravel()))
        for x, y in zip(inputs, targets, strict=True)
    ]


class Encoder:
    """Keeps the numbers as they are, where other data sets tokenise texts."""

    def __init__(self, task: Task, tokenizer: Path | None) -> None:
        pass

    def arrays(self, examples: Sequence[Example], limit: int | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs as int32 and targets as float32, where each example's lie, and the indices of all examples."""
        found = {}
        for part, dtype in (("input", np.int32), ("label", np.float32)):
            rows = np.array([getattr(example, part).split() for example in examples], dtype=float).astype(dtype)
            starts = np.arange(len(rows), dtype=np.int64) * rows.shape[1]
            found[f"{part}_ids"] = rows.ravel()
            found[f"{part}_spans"] = np.stack([starts, starts + rows.shape[1]], axis=1)
        return found, np.arange(len(examples))

    def max_seq_len(self, arrays: dict[str, np.ndarray]) -> int:
        """Steps of a sequence."""
        from ..theory.regression import SEQ_LEN

        return SEQ_LEN
