"""DART: real files, JSON and XML alike, several references, the hub's form."""

import json

import pytest
from official_files import dart_entry, write_dart
from reference import shared

from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data import dart


def test_real_files_have_the_sizes_of_table_6():
    splits = dart.read_files("dart", shared("data/dart"))
    assert {name: len(examples) for name, examples in splits.items()} == {"dev": 2768, "test": 5097}
    assert sum(len(example.references) for example in splits["dev"]) == 6980
    assert sum(len(example.references) for example in splits["test"]) == 12552


def test_real_json_and_xml_are_the_same(tmp_path):
    folder = shared("data/dart/v1.1.1")
    (tmp_path / "dev.xml").symlink_to(folder / "dart-v1.1.1-full-dev.xml")
    assert dart.read_files("dart", tmp_path)["dev"] == dart.read_files("dart", folder)["dev"]


def test_train_has_one_example_for_each_annotation(tmp_path):
    # Entries with 1, 2, 3, 1, 2, ... references, as many as make the size that Table 6 prints.
    splits = dart.read_files("dart", write_dart(tmp_path, train=31330, dev=3, test=3))
    roles = sources.assign_roles("dart", splits)
    assert len(roles["train"]) == dart.DATASETS["dart"]["train"] == 62659
    assert [len(example.references) for example in roles["test"]] == [1, 2, 3]
    assert roles["train"][1].input == roles["train"][2].input
    assert [example.label for example in roles["train"][1:3]] == list(splits["train"][1].references)


def test_triples_are_written_out(tmp_path):
    (example,) = dart.read_files("dart", write_dart(tmp_path, dev=1))["dev"]
    assert example.input == "Place 0 : CAPITAL : Town 0 | Town 0 : COUNTRY : France###"
    assert dart.task("dart").instruction == "Generate text for the following RDF triples:\n"


@pytest.mark.parametrize(
    "spoil, says",
    [
        (lambda entry: entry.pop("tripleset"), "entry 2 is not a DART entry .*tripleset"),
        (lambda entry: entry.update(tripleset=[["a", "b"]]), "entry 2 is not a DART entry"),
        (lambda entry: entry.update(annotations=[]), "entry 2 has no annotation"),
    ],
)
def test_damaged_entries_are_named(tmp_path, spoil, says):
    entries = [dart_entry(0, 1), dart_entry(1, 1)]
    spoil(entries[1])
    (tmp_path / "dev.json").write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        dart.read_files("dart", tmp_path)


@pytest.mark.parametrize(
    "text, says", [("[1, 2]", "entry 1 is a int"), ("{}", "holds a dict"), ("[{", "not valid JSON")]
)
def test_damaged_json_is_named(tmp_path, text, says):
    (tmp_path / "dev.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"dev.json: {says}"):
        dart.read_files("dart", tmp_path)


def test_hub_falls_back_on_parquet_where_scripts_are_refused(monkeypatch):
    import datasets

    hub_row = {
        "tripleset": [["a", "b", "c"]],
        "subtree_was_extended": True,
        "annotations": {"source": ["x", "y"], "text": ["one", "two"]},
    }
    asked = []

    def load_dataset(path, *arguments, **options):
        asked.append((path, options))
        if path != "parquet":
            raise RuntimeError("Dataset scripts are no longer supported, but found dart.py")
        return datasets.DatasetDict({name: datasets.Dataset.from_list([hub_row]) for name in options["data_files"]})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    splits = dart.read_hub("dart")
    assert asked[1][1]["data_files"]["test"] == "hf://datasets/Yale-LILY/dart@~parquet/default/test/*.parquet"
    assert set(splits) == {"train", "dev", "test"}
    assert splits["dev"][0].references == ("one", "two")


def test_hub_out_of_reach_says_what_to_do(monkeypatch):
    import datasets

    def load_dataset(*arguments, **options):
        raise ConnectionError("offline")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(LookupError, match="Yale-LILY/dart.*set data_dir"):
        dart.read_hub("dart")


@pytest.mark.parametrize("name", ["validation-00000-of-00001.parquet", "validation.parquet"])
def test_the_hub_s_parquet_is_read(tmp_path, name):
    import pyarrow
    import pyarrow.parquet

    row = {"tripleset": [["a", "b", "c"]], "annotations": {"source": ["x", "y"], "text": ["one", "two"]}}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / name)
    splits = dart.read_files("dart", tmp_path)
    assert splits["dev"][0].references == ("one", "two")


ENTITIES = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
LAUGHS = f'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY e0 "lol">{ENTITIES}]><benchmark>&e11;</benchmark>'
OUTSIDE = """<!DOCTYPE a [<!ENTITY own SYSTEM "file:///etc/passwd">]><benchmark>&own;</benchmark>"""


@pytest.mark.parametrize("text", [LAUGHS, OUTSIDE, "<!DOCTYPE html><p>not found</p>"])
def test_xml_that_declares_anything_is_refused(tmp_path, text):
    (tmp_path / "dart-v1.1.1-full-dev.xml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="full-dev.xml: declares a document type"):
        dart.read_files("dart", tmp_path)
