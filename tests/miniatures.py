"""The miniatures, written once for all tests of a process, and the inputs and labels that their files hold."""

from __future__ import annotations

import json
import pickle
import tempfile
from functools import cache
from pathlib import Path

from ssmpeft_lib.data import dataset
from ssmpeft_lib.plan import registry

Split = list[tuple[tuple[str, ...] | bytes, str]]

GENERATED = [
    name
    for name in registry.entries("data")
    if not registry.dataset_facts(name).generated and not registry.dataset_facts(name).miniature
]
"""Data sets with a generated miniature."""

# Folder, split files, columns of the sentences and of the label; a negative index counts from the end.
GLUE = {
    "glue-rte": ("RTE", ("train", "dev"), (1, 2), 3),
    "glue-mrpc": ("MRPC", ("train", "dev"), (3, 4), 0),
    "glue-cola": ("CoLA", ("train", "dev"), (3,), 1),
    "glue-sst2": ("SST-2", ("train", "dev"), (0,), 1),
    "glue-qnli": ("QNLI", ("train", "dev"), (1, 2), 3),
    "glue-qqp": ("QQP", ("train", "dev"), (3, 4), 5),
    "glue-mnli": ("MNLI", ("train", "dev_matched", "dev_mismatched"), (8, 9), -1),
}


@cache
def folder() -> tempfile.TemporaryDirectory:
    kept = tempfile.TemporaryDirectory()
    for name in GENERATED:
        dataset(name).write_miniature(name, Path(kept.name), 0)
    return kept


def written() -> Path:
    """A data folder that holds every miniature."""
    return Path(folder().name)


def glue_rows(task: str, split: str) -> list[list[str]]:
    """Fields of every line; no quoting, as in the originals."""
    text = (written() / f"glue/{task}/{split}.tsv").read_text(encoding="utf-8-sig")
    return [line.split("\t") for line in text.split("\n") if line]


def read(path: str) -> list[dict]:
    return json.loads((written() / path).read_bytes())


@cache
def examples(name: str) -> dict[str, Split]:
    """What a model reads, and the label, of every example, by file; what is tested on comes after `train`."""
    if name in GLUE:
        task, splits, columns, label = GLUE[name]
        skip = 0 if task == "CoLA" else 1
        return {
            split: [(tuple(row[at] for at in columns), row[label]) for row in glue_rows(task, split)[skip:]]
            for split in splits
        }
    if name == "dart":
        return {
            split: [
                (tuple(map(" : ".join, entry["tripleset"])), entry["annotations"][0]["text"])
                for entry in read(f"dart/v1.1.1/dart-v1.1.1-full-{split}.json")
            ]
            for split in ("train", "dev", "test")
        }
    if name == "samsum":
        return {
            split: [((row["dialogue"],), row["summary"]) for row in read(f"samsum/{split}.json")]
            for split in ("train", "val", "test")
        }
    if name == "spider":
        return {
            split: [((row["question"],), row["query"]) for row in read(f"spider/{split}.json")]
            for split in ("train_spider", "dev")
        }
    return cifar10() if name == "cifar10" else celeba()


def cifar10() -> dict[str, Split]:
    batches = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
    splits: dict[str, Split] = {}
    for split, names in batches.items():
        splits[split] = []
        for name in names:
            batch = pickle.loads((written() / f"cifar10/cifar-10-batches-py/{name}").read_bytes(), encoding="latin1")
            splits[split] += [
                (row.tobytes(), str(label)) for row, label in zip(batch["data"], batch["labels"], strict=True)
            ]
    return splits


def celeba() -> dict[str, Split]:
    root = written() / "celeba"
    rows = dict(
        line.split(maxsplit=1) for line in (root / "list_attr_celeba.txt").read_text(encoding="utf-8").splitlines()[2:]
    )
    splits: dict[str, Split] = {"0": [], "1": [], "2": []}
    for line in (root / "list_eval_partition.txt").read_text(encoding="utf-8").splitlines():
        file, part = line.split()
        splits[part].append(((root / "img_align_celeba" / file).read_bytes(), rows[file]))
    return splits
