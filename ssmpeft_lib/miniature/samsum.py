"""Miniature of SAMSum: chats and their summaries, in its three JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from .drawing import draw_splits
from .language.dialogues import request

SIZES = {"train": 1024, "val": 64, "test": 128}


def splits(seed: int) -> dict[str, list[dict[str, str]]]:
    """The rows by split; no two have the same dialogue."""
    rng = Random(f"samsum {seed}")

    def chat(_: int) -> dict[str, str]:
        asked = request(rng, task=True)
        # most of the original's dialogues end their lines in this way
        return {"summary": f"{asked.outcome}.", "dialogue": "\r\n".join(asked.lines(rng))}

    return draw_splits(chat, kinds=1, sizes=SIZES, rng=rng, key=lambda row: row["dialogue"])


def write(name: str, folder: Path, seed: int = 0) -> None:
    """Write `train.json`, `val.json` and `test.json`."""
    target = folder / "samsum"
    target.mkdir(parents=True, exist_ok=True)
    for split, rows in splits(seed).items():
        named = [{"id": f"{split}-{index}", **row} for index, row in enumerate(rows)]
        (target / f"{split}.json").write_text(json.dumps(named, indent=2), encoding="utf-8")
