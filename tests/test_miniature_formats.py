"""The miniatures are written as the originals are: readable with plain csv, json, sqlite, pickle and Pillow."""

from __future__ import annotations

import json
import pickle
import pickletools
import sqlite3

import numpy as np
import pytest
from miniatures import glue_rows, written
from PIL import Image
from reference import shared

GLUE_COLUMNS = {
    "RTE": "index sentence1 sentence2 label",
    "MRPC": "Quality|#1 ID|#2 ID|#1 String|#2 String",
    "SST-2": "sentence label",
    "QNLI": "index question sentence label",
    "QQP": "id qid1 qid2 question1 question2 is_duplicate",
    "MNLI": "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse"
    " sentence1 sentence2 label1 gold_label",
}
"""Header of train.tsv in the archives of gluebenchmark.com."""


@pytest.mark.parametrize("folder", GLUE_COLUMNS)
def test_glue_headers_are_the_originals(folder):
    header = glue_rows(folder, "train")[0]
    expected = GLUE_COLUMNS[folder]
    assert header == expected.split("|" if "|" in expected else None)


def test_mnli_development_files_have_five_labels_besides_the_gold_one():
    for split in ("dev_matched", "dev_mismatched"):
        header = glue_rows("MNLI", split)[0]
        assert header[-6:] == ["label1", "label2", "label3", "label4", "label5", "gold_label"]


def test_cola_has_no_header_and_four_columns():
    for split in ("train", "dev"):
        rows = glue_rows("CoLA", split)
        assert {len(row) for row in rows} == {4}
        assert {(row[1], row[2]) for row in rows} == {("0", "*"), ("1", "")}


def test_only_mrpc_starts_with_a_byte_order_mark():
    starts = {path.parent.name: path.read_bytes()[:3] for path in (written() / "glue").glob("*/train.tsv")}
    assert [folder for folder, start in starts.items() if start == b"\xef\xbb\xbf"] == ["MRPC"]
    assert len(starts) == 7


def test_qnli_looks_like_the_real_file():
    real = shared("data/glue/QNLI/dev.tsv").read_text(encoding="utf-8").split("\n")
    ours = glue_rows("QNLI", "dev")
    assert ours[0] == real[0].split("\t")
    assert {row[3] for row in ours[1:]} == {line.split("\t")[3] for line in real[1:] if line}


def test_dart_looks_like_the_real_file():
    real = json.loads(shared("data/dart/v1.1.1/dart-v1.1.1-full-dev.json").read_text(encoding="utf-8"))
    for split in ("train", "dev", "test"):
        entries = json.loads((written() / f"dart/v1.1.1/dart-v1.1.1-full-{split}.json").read_text(encoding="utf-8"))
        for entry in entries:
            assert entry.keys() == real[0].keys()
            assert all(len(triple) == 3 for triple in entry["tripleset"])
            assert all(annotation.keys() == {"source", "text"} for annotation in entry["annotations"])
        assert any(len(entry["annotations"]) > 1 for entry in entries)


def test_samsum_has_the_originals_keys_and_line_ends():
    for split in ("train", "val", "test"):
        rows = json.loads((written() / f"samsum/{split}.json").read_bytes().decode("utf-8"))
        assert {frozenset(row) for row in rows} == {frozenset({"id", "summary", "dialogue"})}
        assert all("\r\n" in row["dialogue"] and "\n" not in row["dialogue"].replace("\r\n", "") for row in rows)


def test_spider_tables_look_like_the_real_ones():
    real = json.loads(shared("data/spider/tables.json").read_text(encoding="utf-8"))[0]
    for schema in json.loads((written() / "spider/tables.json").read_text(encoding="utf-8")):
        assert schema.keys() == real.keys()
        assert len(schema["column_types"]) == len(schema["column_names"])
        assert schema["column_names"][0] == real["column_names"][0] == [-1, "*"]


@pytest.mark.parametrize("split", ["train_spider", "dev"])
def test_every_gold_query_runs_and_most_return_rows(split):
    folder = written() / "spider"
    questions = json.loads((folder / f"{split}.json").read_text(encoding="utf-8"))
    results = []
    for row in questions:
        database = sqlite3.connect(folder / "database" / row["db_id"] / f"{row['db_id']}.sqlite")
        results.append(database.execute(row["query"]).fetchall())
        database.close()
    assert sum(map(bool, results)) > 0.95 * len(results)


def test_spider_schemas_describe_their_databases():
    folder = written() / "spider"
    for schema in json.loads((folder / "tables.json").read_text(encoding="utf-8")):
        database = sqlite3.connect(folder / "database" / schema["db_id"] / f"{schema['db_id']}.sqlite")
        for number, table in enumerate(schema["table_names_original"]):
            described = [column for owner, column in schema["column_names_original"] if owner == number]
            assert [row[1] for row in database.execute(f"pragma table_info({table})")] == described
        assert database.execute("pragma foreign_key_check").fetchall() == []
        database.close()


@pytest.mark.parametrize("encoding, key", [("bytes", bytes), ("latin1", str)])
def test_cifar10_batches_read_as_python_2_pickles(encoding, key):
    folder = written() / "cifar10/cifar-10-batches-py"
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        with (folder / name).open("rb") as file:
            batch = pickle.load(file, encoding=encoding)
        assert {type(name) for name in batch} == {key}
        data, labels = (batch[name if key is str else name.encode()] for name in ("data", "labels"))
        assert data.shape == (len(labels), 3072) and data.dtype == np.uint8
        assert set(labels) == set(range(10))


def test_cifar10_batches_hold_nothing_that_python_2_did_not_write():
    batch = (written() / "cifar10/cifar-10-batches-py/test_batch").read_bytes()
    operations = [(code.name, argument) for code, argument, _ in pickletools.genops(batch)]
    assert {name for name, _ in operations} & {"BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "FRAME"} == set()
    assert {argument for name, argument in operations if name == "GLOBAL"} == {
        "numpy.core.multiarray _reconstruct",
        "numpy ndarray",
        "numpy dtype",
    }


def test_celeba_has_a_picture_and_forty_attributes_for_each_name():
    folder = written() / "celeba"
    count, header, *rows = (folder / "list_attr_celeba.txt").read_text(encoding="utf-8").splitlines()
    partition = dict(
        line.split() for line in (folder / "list_eval_partition.txt").read_text(encoding="utf-8").splitlines()
    )
    assert len(header.split()) == 40 and int(count) == len(rows) == len(partition)
    assert all(len(row.split()) == 41 and set(row.split()[1:]) <= {"-1", "1"} for row in rows)
    assert {path.name for path in (folder / "img_align_celeba").iterdir()} == {row.split()[0] for row in rows}
    assert set(partition.values()) == {"0", "1", "2"}
    with Image.open(folder / "img_align_celeba/000001.jpg") as image:
        assert image.size == (178, 218) and image.mode == "RGB"
