"""Miniature of DART v1.1.1: sets of triples and one or more sentences that tell them, in its JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from .drawing import draw_splits
from .language.records import Record, record

SIZES = {"train": 1024, "dev": 64, "test": 128}


def splits(seed: int) -> dict[str, list[Record]]:
    """The records by split; no two have the same triples in the same order."""
    rng = Random(f"dart {seed}")
    return draw_splits(lambda _: record(rng, task=True), kinds=1, sizes=SIZES, rng=rng, key=lambda item: item)


def entry(told: Record, several: bool) -> dict:
    """One entry of the file, told in one order or in both."""
    sentences = [told.told(), told.told(backwards=True)] if several else [told.told()]
    return {
        "tripleset": [[told.name, attribute, value] for attribute, value in told.attributes],
        "subtree_was_extended": False,
        "annotations": [{"source": "miniature", "text": f"{sentence}."} for sentence in sentences],
    }


def write(name: str, folder: Path, seed: int = 0) -> None:
    """Write the three JSON files; a part of the training entries and all others have two references."""
    target = folder / "dart" / "v1.1.1"
    target.mkdir(parents=True, exist_ok=True)
    for split, records in splits(seed).items():
        entries = [entry(told, several=split != "train" or index % 8 == 0) for index, told in enumerate(records)]
        (target / f"dart-v1.1.1-full-{split}.json").write_text(json.dumps(entries, indent=2), encoding="utf-8")
