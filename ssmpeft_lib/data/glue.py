"""GLUE (Wang et al., 2019): seven tasks as questions with a one-token answer (Sec. 4, App. B, Table 6).

Train and val of the paper are a 4:1 cut of the official train split, and its test is the official dev split.
The instructions are those of the authors' code, taken there from promptbench.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import _hub
from ._files import File, Folder
from ._rows import Row, place_of, read_rows
from ._task import Example, Splits, Task
from ._text import separated

DATASETS = {
    "glue-rte": {
        "train": 1992, "val": 498, "test": 277, "max_seq_len": 291, "epochs": 10, "batch_size": 4,
        "selection_steps": 250, "folder": "glue/RTE", "splits": {"train": "train", "val": None, "test": "dev"},
        "recordable": "labels",
    },
    "glue-mrpc": {
        "train": 2934, "val": 734, "test": 408, "max_seq_len": 105, "epochs": 10, "batch_size": 4,
        "folder": "glue/MRPC", "splits": {"train": "train", "val": None, "test": "dev"},
        "recordable": "labels",
    },
    "glue-cola": {
        "train": 6840, "val": 1711, "test": 1043, "max_seq_len": 47, "epochs": 10, "batch_size": 4,
        "folder": "glue/CoLA", "splits": {"train": "train", "val": None, "test": "dev"},
        "recordable": "labels",
    },
    "glue-sst2": {
        "train": 53879, "val": 13470, "test": 872, "max_seq_len": 68, "epochs": 10, "batch_size": 4,
        "folder": "glue/SST-2", "splits": {"train": "train", "val": None, "test": "dev"},
        "recordable": "labels",
    },
    "glue-qnli": {
        "train": 83794, "val": 20949, "test": 5463, "max_seq_len": 602, "epochs": 10, "batch_size": 4,
        "folder": "glue/QNLI", "splits": {"train": "train", "val": None, "test": "dev"},
        "recordable": "texts",
    },
    "glue-qqp": {
        "train": 291076, "val": 72770, "test": 40430, "max_seq_len": 316, "epochs": 3, "batch_size": 4,
        "folder": "glue/QQP", "splits": {"train": "train", "val": None, "test": "dev"},
        "recordable": "labels",
    },
    "glue-mnli": {
        "train": 314161, "val": 78541, "test": 19647, "max_seq_len": 425, "epochs": 3, "batch_size": 4,
        "folder": "glue/MNLI", "splits": {"train": "train", "val": None, "test": "dev_matched+dev_mismatched"},
        "recordable": "labels",
    },
}  # fmt: skip

GROUPS = {
    "glue": ["glue-rte", "glue-mrpc", "glue-cola", "glue-sst2", "glue-qnli", "glue-qqp", "glue-mnli"],
}


@dataclass(frozen=True)
class _Form:
    """What is particular to one of the seven tasks.

    Attributes:
        instruction: the prompt, without its separator.
        classes: the labels of the files; the answer word is the position, as in the hub's data set.
        texts: for each part of the input, the names that its column has in the layouts users have.
        label: the names that the label's column has.
        columns: the official file's columns in order, for when its header line is missing.
        parts: names of the files that are a split together, in the task's original release.
    """

    instruction: str
    classes: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    label: tuple[str, ...] = ("label",)
    columns: tuple[str, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_FORMS = {
    "glue-rte": _Form(
        "Determine if the given pair of sentences displays entailment or not_entailment. "
        "Respond with '0' if entailment or '1' if not_entailment: ",
        ("entailment", "not_entailment"),
        (("sentence1", "premise"), ("sentence2", "hypothesis")),
        columns=("index", "sentence1", "sentence2", "label"),
    ),
    "glue-mrpc": _Form(
        "Can the given sentences be considered semantically identical? "
        "Respond with '0' if not_equivalent or '1' if equivalent: ",
        ("not_equivalent", "equivalent"),
        (("#1 String", "sentence1"), ("#2 String", "sentence2")),
        label=("Quality", "label"),
        columns=("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"),
    ),
    "glue-cola": _Form(
        "Review the sentence below and identify whether its grammar is Unacceptable or Acceptable. "
        "Respond with '0' if Unacceptable or '1' if Acceptable: ",
        ("unacceptable", "acceptable"),
        (("sentence",),),
        columns=("source", "label", "star", "sentence"),
        parts={"train": ("in_domain_train",), "dev": ("in_domain_dev", "out_of_domain_dev")},
    ),
    "glue-sst2": _Form(
        "Read the provided excerpt and choose between negative and positive to describe its sentiment. "
        "Respond with '0' if negative or '1' if positive: ",
        ("negative", "positive"),
        (("sentence",),),
        columns=("sentence", "label"),
    ),
    "glue-qnli": _Form(
        "Consider the context and question, and indicate if the answer can be logically deduced from the context. "
        "Respond with '0' if entailment or '1' if not_entailment: ",
        ("entailment", "not_entailment"),
        (("question",), ("sentence",)),
        columns=("index", "question", "sentence", "label"),
    ),
    "glue-qqp": _Form(
        "Can these two statements be considered equal in meaning? "
        "Respond with '0' if not_equivalent or '1' if equivalent: ",
        ("not_duplicate", "duplicate"),
        (("question1",), ("question2",)),
        label=("is_duplicate", "label"),
        columns=("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
    ),
    "glue-mnli": _Form(
        "Assess the connection between the following sentences and classify it as entailment, neutral, or "
        "contradiction. Respond with '0' if entailment, '1' if neutral or '2' if contradiction: ",
        ("entailment", "neutral", "contradiction"),
        (("sentence1", "premise"), ("sentence2", "hypothesis")),
        label=("gold_label", "label"),
    ),
}


def task(name: str) -> Task:
    """How a GLUE task is asked and scored."""
    form = _FORMS[name]
    headline = "matthews" if name == "glue-cola" else "accuracy"
    return Task(
        instruction=separated(form.instruction),
        labels=tuple(str(label) for label in range(len(form.classes))),
        metrics=(headline,),
        headline=headline,
        max_new_tokens=1,
    )


def read_files(name: str, folder: Path) -> Splits:
    """The labelled official splits that lie in a folder.

    Reads the TSVs of gluebenchmark.com, the hub's Parquet files, JSON lines, MRPC's original text files and
    CoLA's `in_domain_train.tsv`.

    Raises:
        ValueError: a file is damaged, has other columns or an unknown label; names the file, the row and the value.
    """
    here = Folder(folder)
    form, splits = _FORMS[name], {}
    for split in ("train", "dev", "dev_matched", "dev_mismatched"):
        file = here.find(*_patterns(split))
        files = [file] if file else _original_parts(here, form.parts.get(split, ()))
        if files:
            splits[split] = [e for file in files for e in _examples(name, read_rows(file, form.columns), str(file))]
    return splits or _read_original_mrpc(name, here)


def _original_parts(here: Folder, names: Sequence[str]) -> list[File]:
    """The files of a split that the original release keeps in several; none where the first is not there."""
    files = [here.find(f"{name}.tsv") for name in names]
    if files and files[0] and None in files:
        missing = names[files.index(None)]
        raise ValueError(f"{files[0]}: {missing}.tsv is missing beside it, and the split is both; get it as well")
    return [file for file in files if file] if files and files[0] else []


def read_hub(name: str, folder: Path | None = None) -> Splits:
    """The labelled official splits from the hub."""
    names = {"validation": "dev", "validation_matched": "dev_matched", "validation_mismatched": "dev_mismatched"}
    loaded = _hub.load("nyu-mll/glue", name.removeprefix("glue-"))
    return {
        names.get(split, split): _examples(name, rows, f"nyu-mll/glue {split}")
        for split, rows in loaded.items()
        if not split.startswith("test")
    }


def write_miniature(name: str, folder: Path, seed: int) -> None:
    """Write a small generated stand-in in the original's format."""
    from ..miniature import glue

    glue.write(name, folder, seed)


def _patterns(split: str) -> list[str]:
    """Names that a split's file has: GLUE's own, the hub's, and with a prefix such as `multinli_1.0_`."""
    hub = split.replace("dev", "validation")
    stems = (split, hub, f"{hub}-*", f"*[!n]_{split}")
    return [f"{stem}.{ending}" for stem in stems for ending in ("tsv", "jsonl", "json", "csv", "parquet")]


def _examples(name: str, rows: Iterable[Row], where: str) -> list[Example]:
    """Rows as examples. Rows with missing fields, of which QQP has a few, are left out with a warning."""
    form = _FORMS[name]
    words = {label: str(position) for position, label in enumerate(form.classes)}
    words |= {word: word for word in words.values()}
    examples, incomplete, rows = [], 0, list(rows)
    for number, row in enumerate(rows, 1):
        parts = [_field(row, names) for names in form.texts]
        label = _field(row, form.label)
        if label in (None, "") or None in parts:
            incomplete += 1
            continue
        if str(label) == "-":
            continue
        if not all(isinstance(part, str) for part in parts):
            raise ValueError(f"{where}: {place_of(row, number)} has {parts!r} for a text; only words are allowed")
        if str(label) not in words:
            raise ValueError(f"{where}: {place_of(row, number)} has the label {label!r} (allowed: {', '.join(words)})")
        examples.append(Example(separated(*parts), words[str(label)]))
    if incomplete:
        columns = [names[0] for names in (*form.texts, form.label)]
        if not examples:
            found = ", ".join(map(str, dict.fromkeys(key for row in rows for key in row)))
            raise ValueError(f"{where}: no row has the columns {', '.join(columns)}; it has {found}")
        warnings.warn(f"{where}: left out {incomplete} rows without {' or '.join(columns)}", stacklevel=2)
    return examples


def _field(row: Row, names: tuple[str, ...]) -> str | int | None:
    for name in names:
        if name in row:
            return row[name]
    return None


def _read_original_mrpc(name: str, here: Folder) -> Splits:
    """MRPC as Microsoft distributes it: one training file, and the pairs of ids that GLUE made its dev split of."""
    train, ids = here.find("msr_paraphrase_train.txt"), here.find("dev_ids.tsv")
    if name != "glue-mrpc" or train is None or ids is None:
        return {}
    held_out = {tuple(line.split("\t")[:2]) for line in ids.text().splitlines()}
    parts: dict[str, list[Row]] = {"train": [], "dev": []}
    for row in read_rows(train, _FORMS[name].columns):
        parts["dev" if (row.get("#1 ID"), row.get("#2 ID")) in held_out else "train"].append(row)
    return {split: _examples(name, rows, str(train)) for split, rows in parts.items()}
