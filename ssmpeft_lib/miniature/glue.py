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
    """A statement under two quantifiers; the second follows from the first for label 0, but not for 1."""
    pair = relations.weighted(rng, (relations.ENTAILED, relations.NOT_ENTAILED)[label])
    return tuple(map(relations.quantified(rng, task=True), pair))


def mrpc(rng: Random, label: int) -> Sentences:
    """A statement with two number phrases, which mean the same for label 1 and different numbers for 0."""
    first, second = relations.two_kinds(rng, relations.NUMBERS, bool(label))
    way = rng.randrange(2)
    statement = relations.quantified(rng, task=True, states=(relations.location, relations.deed))
    return statement(first[way]), statement(second[1 - way])


def cola(rng: Random, label: int) -> Sentences:
    """A grammatical clause for label 1, a broken one for 0."""
    return (str(clauses.clause(rng, task=True)) if label else clauses.broken_clause(rng, task=True),)


def sst2(rng: Random, label: int) -> Sentences:
    """A review that praises for label 1 and blames for 0."""
    return (relations.opinion(rng, bool(label), REVIEWS),)


def qnli(rng: Random, label: int) -> Sentences:
    """A question for a circumstance, and the fact told with that circumstance for label 0, with another kind for 1."""
    event = clauses.fact(rng, task=True)
    asked, told = relations.two_kinds(rng, tuple(relations.CIRCUMSTANCES), not label)
    return f"{relations.asked(event, asked)}?", relations.told(rng, event, told)


def qqp(rng: Random, label: int) -> Sentences:
    """Two questions about the same deed, of the same kind for label 1 and of different kinds for 0."""
    kinds = relations.two_kinds(rng, tuple(relations.QUESTIONS), bool(label))
    return tuple(f"{question}?" for question in relations.questions(rng, kinds, task=True))


def mnli(rng: Random, label: int, genre: str) -> Sentences:
    """A statement of the genre under two quantifiers; the second follows (label 0), may be true (1) or is false (2)."""
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
    """Columns of RTE: an index, two sentences, the label."""
    first, second = row.sentences
    return {"index": row.index, "sentence1": first, "sentence2": second, "label": row.label}


def qnli_fields(row: Row) -> dict[str, object]:
    """Columns of QNLI: an index, a question, a sentence, the label."""
    question, sentence = row.sentences
    return {"index": row.index, "question": question, "sentence": sentence, "label": row.label}


def cola_fields(row: Row) -> dict[str, object]:
    """Columns of CoLA, which its files do not name: source, label, a star on broken clauses, the sentence."""
    return {"source": "mini", "label": row.label, "mark": "" if row.label == "1" else "*", "sentence": row.sentences[0]}


def sst2_fields(row: Row) -> dict[str, object]:
    """Columns of SST-2: the sentence and the label, without an index."""
    return {"sentence": row.sentences[0], "label": row.label}


def mrpc_fields(row: Row) -> dict[str, object]:
    """Columns of MRPC: the label, made-up ids of the two sentences, the sentences."""
    first, second = row.sentences
    ids = {"#1 ID": 2 * row.index, "#2 ID": 2 * row.index + 1}
    return {"Quality": row.label, **ids, "#1 String": first, "#2 String": second}


def qqp_fields(row: Row) -> dict[str, object]:
    """Columns of QQP: made-up ids of the pair and of its questions, the questions, the label."""
    first, second = row.sentences
    ids = {"id": row.index, "qid1": 2 * row.index, "qid2": 2 * row.index + 1}
    return {**ids, "question1": first, "question2": second, "is_duplicate": row.label}


def mnli_fields(row: Row) -> dict[str, object]:
    """Columns of MNLI; its parses are the sentences in brackets, and everyone who labels gives the gold label."""
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
    """Splits of MNLI in some of its genres; no two examples have the same sentences."""

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
