"""SAMSum (Gliwa et al., 2019): chats and their summaries (Sec. 4, App. B, Table 6). There is no instruction."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from . import _hub
from ._files import Folder
from ._rows import Row, place_of, read_rows
from ._task import Example, Splits, Task
from ._text import separated

DATASETS = {
    "samsum": {
        "train": 14732, "val": 818, "test": 819, "max_seq_len": 1174, "epochs": 10, "batch_size": 4,
        "folder": "samsum", "splits": {"train": "train", "val": "val", "test": "test"},
        "miniature_recipe": {"steps": 150},
    },
}  # fmt: skip


def task(name: str) -> Task:
    """How SAMSum is asked and scored."""
    return Task(instruction="", labels=(), metrics=("rouge",), headline="rougeL")


def read_files(name: str, folder: Path) -> Splits:
    """The official splits that lie in a folder: `train.json`, `val.json`, `test.json`, or the archive `corpus.7z`.

    Raises:
        ValueError: a file is damaged or an entry is no chat; names the file and the entry.
    """
    here = Folder(folder)
    splits: Splits = {}
    for split in ("train", "val", "test"):
        stems = (split, *(("validation", "validation-*", "dev") if split == "val" else (f"{split}-*",)))
        file = here.find(*(f"{stem}.{ending}" for stem in stems for ending in ("json", "jsonl", "csv", "parquet")))
        if file is not None:
            splits[split] = _examples(read_rows(file), str(file))
    return splits


def read_hub(name: str, folder: Path | None = None) -> Splits:
    """The official splits from the hub."""
    loaded = _hub.load("Samsung/samsum", mirror="knkarthick/samsum")
    return {
        "val" if split == "validation" else split: _examples(rows, f"samsum {split}") for split, rows in loaded.items()
    }


def write_miniature(name: str, folder: Path, seed: int) -> None:
    """Write a small generated stand-in in the original's format."""
    from ..miniature import samsum

    samsum.write(name, folder, seed)


def _examples(rows: Iterable[Row], where: str) -> list[Example]:
    """Rows as examples. Line ends stay as they are, mostly CRLF, and so does the one chat without text."""
    examples = []
    for number, row in enumerate(rows, 1):
        dialogue, summary = row.get("dialogue", ""), row.get("summary")
        if "dialogue" not in row or not isinstance(dialogue, str | None) or not isinstance(summary, str):
            has = ", ".join(map(str, row))
            raise ValueError(f"{where}: {place_of(row, number)} has no dialogue or no summary in words; it has {has}")
        examples.append(Example(separated(dialogue or ""), summary, (summary,)))
    return examples
