"""The synthetic regression of Sec. 5.3: random integers 0 to 9 in 64 channels, and what a random deep S4 makes of them.

Figures 1 and 2 are made from it. A data set holds inputs only: what is learned are the outputs of a target system,
which the seed of a cell draws together with the model (`draw` in models/s4.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ._task import Example, Splits, Task

if TYPE_CHECKING:
    from torch import Generator, Tensor

DATASETS = {
    "synthetic-regression": {
        "train": 1, "val": 16, "test": 16, "max_seq_len": 200, "epochs": 500, "batch_size": 1,
        "folder": None, "splits": {"train": "train", "val": "val", "test": "test"}, "generated": True,
        "modality": "series", "resampled": True,
        "recipe": {
            "learning_rates": (5e-2, 1e-2, 5e-3, 1e-3), "schedule": "constant", "warmup_steps": 0, "clip": None,
            "weight_decay": 0.01, "precision": "fp32", "dropout": 0.0, "selection_steps": 20, "selection_rate": 1e-2,
        },
    },
    "synthetic-regression-once": {
        "train": 1, "val": 16, "test": 16, "max_seq_len": 200, "epochs": 500, "batch_size": 1,
        "folder": None, "splits": {"train": "train", "val": "val", "test": "test"}, "generated": True,
        "modality": "series",
        "recipe": {
            "learning_rates": (5e-2, 1e-2, 5e-3, 1e-3), "schedule": "constant", "warmup_steps": 0, "clip": None,
            "weight_decay": 0.01, "precision": "fp32", "dropout": 0.0, "selection_steps": 20, "selection_rate": 1e-2,
        },
    },
}  # fmt: skip
"""`synthetic-regression` trains on a new sequence in each of 500 iterations; the released script has 4,000 new ones in
each. `synthetic-regression-once` is the paper's text: one sequence, drawn once. Both are scored on sequences that are
never trained on.

The optimiser is the released script's: AdamW with torch's default weight decay, at a constant rate and without
clipping, the best of four rates. The warm-up's rate is the largest of the paper's range."""

SEQ_LEN, CHANNELS, VALUES = 200, 64, 10


def task(name: str) -> Task:
    """Mean squared error; nothing is asked in words."""
    return Task(instruction="", labels=(), metrics=("mse",), headline="r2")


def generate(name: str) -> Splits:
    """The inputs of every split as text, a step's channels after the other's."""
    chance = np.random.default_rng(0)
    return {
        split: [
            Example(" ".join(map(str, chance.integers(VALUES, size=SEQ_LEN * CHANNELS))), "")
            for _ in range(DATASETS[name][split])
        ]
        for split in ("train", "val", "test")
    }


def drawn(sequences: int, generator: Generator) -> Tensor:
    """New inputs, float32 [sequences, SEQ_LEN, CHANNELS]."""
    import torch

    return torch.randint(VALUES, (sequences, SEQ_LEN, CHANNELS), generator=generator).float()


def normalised(values: np.ndarray) -> np.ndarray:
    """What the model reads: float32 [..., SEQ_LEN, CHANNELS] from integers [..., SEQ_LEN * CHANNELS]."""
    return values.astype(np.float32).reshape(*values.shape[:-1], SEQ_LEN, CHANNELS)


class Encoder:
    """Keeps the numbers as they are, where other data sets tokenise texts."""

    def __init__(self, task: Task, tokenizer: Path | None) -> None:
        pass

    def arrays(self, examples: Sequence[Example], limit: int | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs as int32, where each example's lie, and the indices of all examples; labels are empty."""
        inputs = np.array([example.input.split() for example in examples], dtype=np.int32)
        starts = np.arange(len(inputs), dtype=np.int64) * inputs.shape[1]
        nothing = np.zeros((len(inputs), 2), dtype=np.int64)
        return {
            "input_ids": inputs.ravel(),
            "input_spans": np.stack([starts, starts + inputs.shape[1]], axis=1),
            "label_ids": np.zeros(0, dtype=np.int32),
            "label_spans": nothing,
        }, np.arange(len(examples))

    def max_seq_len(self, arrays: dict[str, np.ndarray]) -> int:
        """Steps of a sequence."""
        return SEQ_LEN
