"""Random tokens, for timing only (Sec. D.9): 2500 batches of 1500 tokens, of which nothing can be learned.

The paper has "each batch comprising a random sequence of 1,500 tokens", which reads as one sequence. Here a batch is
four sequences of 375 tokens, four being the batch size of the released configurations. As in the authors' code the ids
are below 1000 and the last tenth of a sequence is the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ._task import Example, Splits, Task

DATASETS = {
    "random-tokens": {
        "train": 10000, "val": 8, "test": 8, "max_seq_len": 375, "epochs": 1, "batch_size": 4,
        "folder": None, "splits": {"train": "train", "val": "val", "test": "test"}, "generated": True,
        "miniature_recipe": {"steps": 40, "batch_size": 4},
    },
}  # fmt: skip

SEQ_LEN = 375
LABEL_LEN = 37
VOCABULARY = 1000


def task(name: str) -> Task:
    """Nothing is asked and nothing is scored."""
    return Task(instruction="", labels=(), metrics=(), headline="", max_new_tokens=LABEL_LEN)


def generate(name: str) -> Splits:
    """Empty examples, as many as there are sequences."""
    facts = DATASETS[name]
    return {split: [Example("", "")] * facts[split] for split in ("train", "val", "test")}


class Encoder:
    """Draws token ids, where other data sets tokenise texts."""

    def __init__(self, task: Task, tokenizer: Path) -> None:
        self._random = np.random.default_rng(0)

    def arrays(self, examples: Sequence[Example], limit: int | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Token ids and where each example's lie, and the indices of all examples."""
        found = {}
        for part, length in (("input", SEQ_LEN - LABEL_LEN), ("label", LABEL_LEN)):
            starts = np.arange(len(examples), dtype=np.int64) * length
            found[f"{part}_ids"] = self._random.integers(VOCABULARY, size=len(examples) * length, dtype=np.int32)
            found[f"{part}_spans"] = np.stack([starts, starts + length], axis=1)
        return found, np.arange(len(examples))

    def max_seq_len(self, arrays: dict[str, np.ndarray]) -> int:
        """Tokens of a sequence."""
        return SEQ_LEN
