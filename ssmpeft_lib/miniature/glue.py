"""Miniatures of the seven GLUE tasks, in the TSV files that gluebenchmark.com distributes (train and dev)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from .drawing import draw_splits
from .language import clauses, relations

TRAIN, DEV = 1280, 256
"""Rows of the files; the paper's 4:1 cut of the training file leaves 1024 to train on."""

REVIEWS = (
    "the {work} was {word}",
    "a {word} {work} from start to end",
    "i found the {work} {word}",
    "the {work} was not {opposite}",
    "the {work} seemed {opposite} but it was {word}",
)

GENRES = {"fiction": relations.deed, "travel": relations.location, "letters": relations.quality}
"""What MNLI's genres talk about."""

Sentences = tuple[str, ...]


def rte(rng: Random, label: int) -> Sentences:
    pair = relations.weighted(rng, (relations.ENTAILED, relations.NOT_ENTAILED)[label])
    return tuple(map(relations.quantified(rng, task=True), pair))


def mrpc(rng: Random, label: int) -> Sentences:
    first, second = relations.two_kinds(rng, relations.NUMBERS, bool(label))
    way = rng.randrange(2)
    statement = relations.quantified(rng, task=True, states=(relations.location, relations.deed))
    return statement(first[way]), statement(second[1 - way])


def cola(rng: Random, label: int) -> Sentences:
    return (str(clauses.clause(rng, task=True)) if label else clauses.broken_clause(rng, task=True),)


def sst2(rng: Random, label: int) -> Sentences:
    return (relations.opinion(rng, bool(label), REVIEWS),)


def qnli(rng: Random, label: int) -> Sentences:
    event = clauses.fact(rng, task=True)
    asked, told = relations.two_kinds(rng, tuple(relations.CIRCUMSTANCES), not label)
    return f"{relations.asked(event, asked)}?", relations.told(rng, event, told)


def qqp(rng: Random, label: int) -> Sentences:
    kinds = relations.two_kinds(rng, tuple(relations.QUESTIONS), bool(label))
    return tuple(f"{question}?" for question in relations.questions(rng, kinds, task=True))


def mnli(rng: Random, label: int, genre: str) -> Sentences:
    pair = relations.weighted(rng, (relations.ENTAILED, relations.NEUTRAL, relations.CONTRADICTED)[label])
    return tuple(map(relations.quantified(rng, task=True, states=(GENRES[genre],)), pair))


TASKS = {"rte": rte, "mrpc": mrpc, "cola": cola, "sst2": sst2, "qnli": qnli, "qqp": qqp}
"""Generators of the sentences with a given label; MNLI's takes a genre besides."""


@dataclass(frozen=True)
class Item:
    """One example: its sentences, GLUE's integer label, and for MNLI the genre."""

    sentences: Sentences
    label: int
    genre: str = ""


@dataclass(frozen=True)
class Row:
    """What a row of a file is made from; `label` is spelt as in the file."""

    split: str
    index: int
    sentences: Sentences
    label: str
    genre: str


@dataclass(frozen=True)
class Format:
    """How a task's files look.

    Attributes:
        folder: the task's folder, as GLUE spells it.
        fields: the columns of a row.
        labels: how the files spell the labels 0, 1, ...
        header: whether the first line names the columns.
        encoding: `utf-8-sig` where files start with a byte order mark.
    """

    folder: str
    fields: Callable[[Row], dict[str, object]]
    labels: tuple[str, ...] = ("0", "1")
    header: bool = True
    encoding: str = "utf-8"


def rte_fields(row: Row) -> dict[str, object]:
    first, second = row.sentences
    return {"index": row.index, "sentence1": first, "sentence2": second, "label": row.label}


def qnli_fields(row: Row) -> dict[str, object]:
    question, sentence = row.sentences
    return {"index": row.index, "question": question, "sentence": sentence, "label": row.label}


def cola_fields(row: Row) -> dict[str, object]:
    return {"source": "mini", "label": row.label, "mark": "" if row.label == "1" else "*", "sentence": row.sentences[0]}


def sst2_fields(row: Row) -> dict[str, object]:
    return {"sentence": row.sentences[0], "label": row.label}


def mrpc_fields(row: Row) -> dict[str, object]:
    first, second = row.sentences
    ids = {"#1 ID": 2 * row.index, "#2 ID": 2 * row.index + 1}
    return {"Quality": row.label, **ids, "#1 String": first, "#2 String": second}


def qqp_fields(row: Row) -> dict[str, object]:
    first, second = row.sentences
    ids = {"id": row.index, "qid1": 2 * row.index, "qid2": 2 * row.index + 1}
    return {**ids, "question1": first, "question2": second, "is_duplicate": row.label}


def mnli_fields(row: Row) -> dict[str, object]:
    first, second = row.sentences
    # each development example was labelled by five people, a training example by one
    answers = {f"label{person}": row.label for person in range(1, 2 if row.split == "train" else 6)}
    return {
        "index": row.index,
        "promptID": row.index,
        "pairID": f"{row.index}{row.label[0]}",
        "genre": row.genre,
        "sentence1_binary_parse": f"( {first} )",
        "sentence2_binary_parse": f"( {second} )",
        "sentence1_parse": f"(ROOT (S {first}))",
        "sentence2_parse": f"(ROOT (S {second}))",
        "sentence1": first,
        "sentence2": second,
        **answers,
        "gold_label": row.label,
    }


FORMATS = {
    "rte": Format("RTE", rte_fields, ("entailment", "not_entailment")),
    "mrpc": Format("MRPC", mrpc_fields, encoding="utf-8-sig"),
    "cola": Format("CoLA", cola_fields, header=False),
    "sst2": Format("SST-2", sst2_fields),
    "qnli": Format("QNLI", qnli_fields, ("entailment", "not_entailment")),
    "qqp": Format("QQP", qqp_fields),
    "mnli": Format("MNLI", mnli_fields, ("entailment", "neutral", "contradiction")),
}


def splits(task: str, seed: int) -> dict[str, list[Item]]:
    """The examples of a task, by the name of the file that they go to; no two have the same sentences."""
    rng = Random(f"glue-{task} {seed}")
    if task == "mnli":
        matched = draw_mnli(rng, ("fiction", "travel"), {"train": TRAIN, "dev_matched": DEV // 2})
        return matched | draw_mnli(rng, ("letters",), {"dev_mismatched": DEV // 2})
    return draw_splits(
        lambda label: Item(TASKS[task](rng, label), label),
        kinds=2,
        sizes={"train": TRAIN, "dev": DEV},
        rng=rng,
        key=lambda item: item.sentences,
    )


def draw_mnli(rng: Random, genres: tuple[str, ...], sizes: dict[str, int]) -> dict[str, list[Item]]:
    def draw(label: int) -> Item:
        genre = rng.choice(genres)
        return Item(mnli(rng, label, genre), label, genre)

    return draw_splits(draw, kinds=3, sizes=sizes, rng=rng, key=lambda item: item.sentences)


def write(name: str, folder: Path, seed: int = 0) -> None:
    """Write `train.tsv` and `dev.tsv` of a task such as `glue-rte`; for MNLI two development files."""
    task = name.partition("-")[2]
    form = FORMATS[task]
    target = folder / "glue" / form.folder
    target.mkdir(parents=True, exist_ok=True)
    for split, items in splits(task, seed).items():
        (target / f"{split}.tsv").write_text(table(form, split, items), encoding=form.encoding, newline="\n")


def table(form: Format, split: str, items: list[Item]) -> str:
    """The text of one file."""
    rows = [
        form.fields(Row(split, index, item.sentences, form.labels[item.label], item.genre))
        for index, item in enumerate(items)
    ]
    lines = [tuple(rows[0])] * form.header + [tuple(row.values()) for row in rows]
    return "".join("\t".join(map(str, line)) + "\n" for line in lines)


def preview(name: str, count: int, seed: int = 0) -> list[tuple[Sentences, str]]:
    """The sentences and labels of the first training examples."""
    task = name.partition("-")[2]
    return [(item.sentences, FORMATS[task].labels[item.label]) for item in splits(task, seed)["train"][:count]]
