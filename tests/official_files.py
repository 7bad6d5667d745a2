"""Writes files in the data sets' official formats, with as many rows as wanted, for the loaders to read."""

from __future__ import annotations

import json
from pathlib import Path

GLUE_HEADERS = {
    "glue-rte": "index\tsentence1\tsentence2\tlabel",
    "glue-mrpc": "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String",
    "glue-cola": "",
    "glue-sst2": "sentence\tlabel",
    "glue-qnli": "index\tquestion\tsentence\tlabel",
    "glue-qqp": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
    "glue-mnli": "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
    "sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label",
}
"""First lines of the TSVs of gluebenchmark.com."""


def glue_row(name: str, i: int) -> str:
    """Row `i` of a GLUE file, with an unbalanced double quote in every third."""
    quote = '"' if i % 3 == 0 else ""
    one, two = f"{quote}The {i}th sentence .", f"A second one , {i}"
    words = ("entailment", "not_entailment")
    return {
        "glue-rte": f"{i}\t{one}\t{two}\t{words[i % 2]}",
        "glue-mrpc": f"{i % 2}\t{i}\t{i + 1}\t{one}\t{two}",
        "glue-cola": f"gj04\t{i % 2}\t{'*' if i % 2 else ''}\t{one}",
        "glue-sst2": f"{one} \t{i % 2}",
        "glue-qnli": f"{i}\t{one}\t{two}\t{words[i % 2]}",
        "glue-qqp": f"{i}\t{i}\t{i + 1}\t{one}\t{two}\t{i % 2}",
        "glue-mnli": f"{i}\tp\tq\tfiction\tb\tb\tp\tp\t{one}\t{two}\tneutral\t"
        + ("entailment", "neutral", "contradiction")[i % 3],
    }[name]


def write_glue(name: str, folder: Path, **splits: int) -> Path:
    """Write TSVs with the given numbers of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        lines = [GLUE_HEADERS[name]] if GLUE_HEADERS[name] else []
        lines += [glue_row(name, i) for i in range(rows)]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return folder


def dart_entry(i: int, references: int) -> dict:
    """Entry `i` of DART's JSON."""
    return {
        "tripleset": [[f"Place {i}", "CAPITAL", f"Town {i}"], [f"Town {i}", "COUNTRY", "France"]],
        "subtree_was_extended": False,
        "annotations": [
            {"source": "WikiSQL_decl_sents", "text": f"Town {i} is the capital of Place {i}, way {k}."}
            for k in range(references)
        ],
    }


def write_dart(folder: Path, **splits: int) -> Path:
    """Write DART's JSON files with the given numbers of entries, of which entry i has 1 + i % 3 references."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, entries in splits.items():
        contents = [dart_entry(i, 1 + i % 3) for i in range(entries)]
        (folder / f"dart-v1.1.1-full-{split}.json").write_text(json.dumps(contents), encoding="utf-8")
    return folder


def write_tokenizer(path: Path, texts: list[str] = ()) -> Path:
    """Train a small byte-level BPE tokenizer with the special tokens that the encoder wants."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "###"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts or ["the cat sat on the mat ."], trainer)
    tokenizer.save(str(path))
    return path


CONCERTS = {
    "db_id": "concerts",
    "table_names_original": ["singer", "Concert"],
    "column_names_original": [
        [-1, "*"],
        [0, "Singer_ID"],
        [0, "Name"],
        [0, "Age"],
        [1, "Concert_ID"],
        [1, "Singer_ID"],
    ],
    "column_types": ["text", "number", "text", "number", "number", "number"],
    "primary_keys": [1, 4],
    "foreign_keys": [[5, 1]],
}
"""An entry of Spider's tables.json."""

SINGERS = [(1, "Ann", 30), (2, "Bob", 41), (3, "Bob", 41), (4, "Eve", 25)]
CONCERT_ROWS = [(1, 1), (2, 1), (3, 2)]

SPIDER_QUESTIONS = [
    ("How many singers?", "SELECT count(*) FROM singer"),
    ("Which names does the singer called Bob have?", "SELECT Name FROM singer WHERE Name  =  'Bob'"),
    ("Names by age, oldest first.", "SELECT DISTINCT Name ,  Age FROM singer ORDER BY Age DESC"),
    (
        "Names of singers with more than one concert?",
        "SELECT T1.Name FROM singer AS T1 JOIN Concert AS T2 ON T1.Singer_ID  =  T2.Singer_ID "
        "GROUP BY T1.Singer_ID HAVING count(*)  >  1",
    ),
    (
        "Who never sang?",
        "SELECT Name FROM singer EXCEPT SELECT Name FROM singer AS T1 JOIN Concert AS T2 "
        "ON T1.Singer_ID  =  T2.Singer_ID",
    ),
]


def write_spider_database(path: Path, singers: list[tuple] = tuple(SINGERS)) -> Path:
    """Write the SQLite file of `CONCERTS`."""
    import sqlite3

    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE singer (Singer_ID number, Name text, Age number)")
    connection.execute("CREATE TABLE Concert (Concert_ID number, Singer_ID number)")
    connection.executemany("INSERT INTO singer VALUES (?, ?, ?)", singers)
    connection.executemany("INSERT INTO Concert VALUES (?, ?)", CONCERT_ROWS)
    connection.commit()
    connection.close()
    return path


def write_spider(folder: Path, train: int = 10) -> Path:
    """Write a Spider folder with one database."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"db_id": "concerts", "question": question, "query": query} for question, query in SPIDER_QUESTIONS]
    (folder / "dev.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "train_spider.json").write_text(json.dumps([rows[i % len(rows)] for i in range(train)]), encoding="utf-8")
    (folder / "tables.json").write_text(json.dumps([CONCERTS]), encoding="utf-8")
    write_spider_database(folder / "database" / "concerts" / "concerts.sqlite")
    return folder
