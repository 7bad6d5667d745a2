"""Spider: sizes and lengths of Table 6 from the real files, hardness levels, how schemas are written out."""

import json
from collections import Counter
from pathlib import Path

import pytest
from official_files import CONCERTS, SPIDER_QUESTIONS, write_spider
from reference import shared

from ssmpeft_lib.data import _encode as encode
from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data import spider
from ssmpeft_lib.data._source import Source
from ssmpeft_lib.spider.grammar import parse
from ssmpeft_lib.spider.levels import hardness

SCHEMA = {"singer": ["singer_id", "name", "age"], "concert": ["concert_id", "singer_id"]}


def test_sizes_and_length_of_table_6_from_the_real_files(tmp_path, monkeypatch):
    # not all databases are there, and counting needs none
    monkeypatch.setattr(spider, "check_scorable", lambda role, examples: None)
    source = Source("spider", "files", shared("data/spider"))
    data = encode.prepare("spider", source, shared("data/tokenizer/20B_tokenizer.json"), tmp_path / "encoded")
    facts = spider.DATASETS["spider"]
    assert data.description["sizes"] == {role: facts[role] for role in sources.ROLES}
    assert data.description["sizes"] == {"train": 5543, "val": 1375, "test": 1034}
    assert data.description["left_out"] == {"train": 57, "val": 25, "test": 0}
    assert data.description["max_seq_len"] == facts["max_seq_len"] == 1412


def test_real_splits_and_levels():
    splits = spider.read_files("spider", shared("data/spider"))
    assert {name: len(examples) for name, examples in splits.items()} == {
        "train": 7000,
        "train_with_database": 3521,
        "dev": 1034,
        "dev_with_database": 341,
    }
    levels = Counter(example.info["hardness"] for example in splits["dev"])
    assert levels == {"easy": 248, "medium": 446, "hard": 174, "extra": 166}


def test_missing_databases_are_told(tmp_path):
    (write_spider(tmp_path) / "database" / "concerts" / "concerts.sqlite").unlink()
    splits = spider.read_files("spider", tmp_path)
    assert "dev_with_database" not in splits
    with pytest.raises(
        LookupError, match="1 of the 1 databases that .* is scored with are not there, first .*concerts.sqlite"
    ):
        sources.assign_roles("spider", splits)


@pytest.mark.parametrize("contents", [b"", b"not a database"])
def test_a_file_that_is_no_database_is_named_before_anything_is_trained(tmp_path, contents):
    (write_spider(tmp_path) / "database" / "concerts" / "concerts.sqlite").write_bytes(contents)
    with pytest.raises(ValueError, match="concerts.sqlite: this is no SQLite database"):
        sources.assign_roles("spider", spider.read_files("spider", tmp_path))


def test_schema_and_question_are_written_as_in_the_authors_code(tmp_path):
    example = spider.read_files("spider", write_spider(tmp_path))["dev"][0]
    assert example.input == (
        "Question: How many singers?\\Schema: "
        "singer: singer_id number ,  name text ,  age number ,  foreign:  ,  primary: singer_id | "
        "Concert: concert_id number ,  singer_id number ,  foreign: singer_id from singer ,  primary: concert_id\n###"
    )
    assert spider.task("spider").instruction == "Create a sql request for the following question and schema:\n###"
    same = {"concert.singer_id": "singer.singer_id", "singer.singer_id": "singer.singer_id"}
    assert example.info["same_column"] == same


def test_labels_keep_the_case_of_literals(tmp_path):
    examples = spider.read_files("spider", write_spider(tmp_path))["dev"]
    assert examples[1].label == "select name from singer where name  =  'Bob'"
    assert examples[1].references == ("SELECT Name FROM singer WHERE Name  =  'Bob'",)


def test_all_files_of_the_distribution(tmp_path):
    write_spider(tmp_path)
    rows = json.loads((tmp_path / "dev.json").read_text(encoding="utf-8"))
    (tmp_path / "train_others.json").write_text(json.dumps(rows[:2]), encoding="utf-8")
    (tmp_path / "test.json").write_text(json.dumps([{**rows[0], "db_id": "other"}]), encoding="utf-8")
    (tmp_path / "test_tables.json").write_text(json.dumps([{**CONCERTS, "db_id": "other"}]), encoding="utf-8")
    splits = spider.read_files("spider", tmp_path)
    sizes = {name: len(examples) for name, examples in splits.items()}
    assert sizes == {"train": 10, "train_others": 2, "dev": 5, "test": 1}
    assert splits["test"][0].info["database"] == str(tmp_path / "test_database" / "other" / "other.sqlite")


def test_hub_has_the_questions_and_the_folder_the_rest(tmp_path, monkeypatch):
    import datasets

    rows = [{"db_id": "concerts", "query": query, "question": question} for question, query in SPIDER_QUESTIONS]
    loaded = datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name in ("train", "validation")})
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments: loaded)
    folder = write_spider(tmp_path)
    assert spider.read_hub("spider", folder)["dev"] == spider.read_files("spider", folder)["dev"]
    with pytest.raises(LookupError, match="tables.json and databases are not on the hub.*set data_dir"):
        spider.read_hub("spider")


@pytest.mark.parametrize(
    "name, spoil, error, says",
    [
        ("dev.json", lambda rows: rows[1].pop("query"), ValueError, "dev.json: entry 2 has no query; it has db_id"),
        ("dev.json", lambda rows: rows[0].update(db_id="x"), ValueError, "entry 1 asks the database 'x'"),
        (
            "tables.json",
            lambda rows: rows[0].update(db_id="../../etc"),
            ValueError,
            "tables.json: entry 1 .* is no name",
        ),
        (
            "tables.json",
            lambda rows: rows[0].update(db_id="/etc/passwd"),
            ValueError,
            "tables.json: entry 1 .* is no name",
        ),
        ("tables.json", lambda rows: rows[0].pop("primary_keys"), ValueError, "tables.json: entry 1 .*primary_keys"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, spoil, error, says):
    path = write_spider(tmp_path) / name
    rows = json.loads(path.read_text(encoding="utf-8"))
    spoil(rows)
    path.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(error, match=says):
        spider.read_files("spider", tmp_path)


def test_questions_without_tables_json(tmp_path):
    (write_spider(tmp_path) / "tables.json").unlink()
    with pytest.raises(LookupError, match="there is no tables.json"):
        spider.read_files("spider", tmp_path)


@pytest.mark.parametrize(
    "sql, level",
    [
        ("SELECT name FROM singer", "easy"),
        ("SELECT name ,  age FROM singer WHERE age > 3", "medium"),
        ("SELECT name FROM singer WHERE age > (SELECT avg(age) FROM singer)", "hard"),
        ("SELECT name FROM singer WHERE age > 3 AND name LIKE 'a' ORDER BY age", "hard"),
        ("SELECT name FROM singer WHERE age > 3 UNION SELECT name FROM singer WHERE age > 4", "hard"),
        ("SELECT name ,  age FROM singer WHERE age > 3 UNION SELECT name ,  age FROM singer WHERE age > 4", "extra"),
        # An oddity of the definition: a negation counts as an aggregate.
        ("SELECT count(*) FROM singer WHERE name NOT LIKE 'a'", "medium"),
    ],
)
def test_levels(sql, level):
    assert hardness(parse(sql, SCHEMA)) == level


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "select",
        "select name",
        "select nothing from singer",
        "select name from nowhere",
        "select name from singer where age",
        "select name from singer where age=3",
        "select name from singer where age > 3 name like 'a'",
        "select t9.name from singer as t1",
        "select name from singer where name = 'odd",
        "select upper(name) from singer",
        "select name from singer limit",
        "select name from singer as concert",
        "(" * 5000 + "select name from singer",
        "select name from singer where " * 3000,
    ],
)
def test_outside_spider_s_grammar(sql):
    with pytest.raises(ValueError):
        parse(sql, SCHEMA)


def test_real_databases_lie_where_the_examples_say():
    splits = spider.read_files("spider", shared("data/spider"))
    assert all(Path(example.info["database"]).is_file() for example in splits["dev_with_database"])
