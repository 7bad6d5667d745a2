"""DART (Nan et al., 2021), version 1.1.1: triples to text (Sec. 4, App. B, Table 6).

The instruction and the way triples are written out are those of the authors' code.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import _hub
from ._files import File, Folder
from ._rows import Row, place_of, read_rows
from ._task import Example, Splits, Task
from ._text import separated

DATASETS = {
    "dart": {
        "train": 62659, "val": 2768, "test": 5097, "max_seq_len": 491, "epochs": 10, "batch_size": 4,
        "recordable": "texts", "folder": "dart", "splits": {"train": "train", "val": "dev", "test": "test"},
    },
}  # fmt: skip


def task(name: str) -> Task:
    """How DART is asked and scored. BLEU and METEOR take every reference of an entry into account."""
    return Task(
        instruction="Generate text for the following RDF triples:\n",
        labels=(),
        metrics=("bleu", "meteor"),
        headline="bleu",
    )


def read_files(name: str, folder: Path) -> Splits:
    """The official splits that lie in a folder, as JSON (preferred) or XML.

    Raises:
        ValueError: a file is damaged; names the file and the entry.
    """
    here = Folder(folder)
    splits: Splits = {}
    for split in ("train", "dev", "test"):
        names = ("dev", "validation", "val") if split == "dev" else (split,)
        stems = (f"*full-{split}", split, f"*-{split}", *names[1:], *(f"{name}-[0-9]*" for name in names))
        file = here.find(*(f"{stem}.{ending}" for ending in ("json", "jsonl", "parquet", "xml") for stem in stems))
        if file is not None:
            entries = _read_xml(file) if file.suffix == ".xml" else read_rows(file)
            splits[split] = _examples(entries, str(file))
    return splits


def read_hub(name: str, folder: Path | None = None) -> Splits:
    """The official splits from the hub, where the annotations are a dict of lists."""
    loaded = _hub.load("Yale-LILY/dart")
    return {
        "dev" if split == "validation" else split: _examples(rows, f"Yale-LILY/dart {split}")
        for split, rows in loaded.items()
    }


def write_miniature(name: str, folder: Path, seed: int) -> None:
    """Write a small generated stand-in in the original's format."""
    from ..miniature import dart

    dart.write(name, folder, seed)


def _examples(entries: Iterable[dict[str, Any]], where: str) -> list[Example]:
    examples = []
    for number, entry in enumerate(entries, 1):
        try:
            triples = [_triple(triple) for triple in entry["tripleset"]]
            annotations = entry["annotations"]
            texts = annotations["text"] if isinstance(annotations, dict) else [one["text"] for one in annotations]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("the text of an annotation is none")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{where}: {place_of(entry, number)} is not a DART entry ({type(error).__name__}: {error}); "
                "it needs tripleset, a list of [subject, predicate, object], and annotations with text"
            ) from None
        if not texts:
            place = place_of(entry, number)
            raise ValueError(f"{where}: {place} has no annotation, and so nothing to train on or score against")
        examples.append(Example(separated(" | ".join(triples)), texts[0], tuple(texts)))
    return examples


def _triple(triple: list[str]) -> str:
    subject, predicate, value = triple
    return f"{subject} : {predicate} : {value}"


def _read_xml(file: File) -> list[Row]:
    """Entries of the XML form, brought into the JSON's form."""
    text = file.text()
    if "<!DOCTYPE" in text:
        raise ValueError(f"{file}: declares a document type, which no file of DART does; get the file again")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without declarations nothing expands
    except ElementTree.ParseError as error:
        raise ValueError(f"{file}: not valid XML ({error}); get the file again") from None
    return [Row(_from_xml(entry), f"entry {number}") for number, entry in enumerate(root.iterfind("entries/entry"), 1)]


def _from_xml(entry: ElementTree.Element) -> dict[str, Any]:
    return {
        "tripleset": [(triple.text or "").split(" | ") for triple in entry.iterfind("modifiedtripleset/mtriple")],
        "annotations": [{"text": text.text or ""} for text in entry.iterfind("lex")],
    }
