"""Encoding: what a model reads, what lies on disk, and which edits of the code make it anew."""

import importlib
import inspect
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from official_files import write_dart, write_glue, write_tokenizer
from reference import shared
from tokenizers import Tokenizer

from ssmpeft_lib.data import Dataset, dataset
from ssmpeft_lib.data import _encode as encode
from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data._encoded import IGNORED
from ssmpeft_lib.data._source import Source
from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.snakemake.data import DataRules


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


@pytest.fixture
def rte(tmp_path) -> Source:
    return Source("glue-rte", "files", write_glue("glue-rte", tmp_path / "rte", train=20, dev=5))


@pytest.fixture
def dart(tmp_path) -> Source:
    return Source("dart", "files", write_dart(tmp_path / "dart", train=6, dev=3, test=4))


def test_parts_are_tokenised_apart_and_joined(dart, tokenizer, tmp_path):
    data = encode.prepare("dart", dart, tokenizer, tmp_path / "cache")
    own = Tokenizer.from_file(str(tokenizer))
    train = data.splits["train"]
    assert len(train) == 12
    for i, example in enumerate(train.examples):
        parts = [own.encode(text).ids for text in (data.task.instruction, example.input, example.label)]
        assert train.input_ids(i).tolist() == parts[0] + parts[1]
        assert train.label_ids(i).tolist() == [*parts[2], own.token_to_id("<|endoftext|>")]
    assert data.description["sizes"] == {"train": 12, "val": 3, "test": 4}


def test_class_labels_have_no_end(rte, tokenizer, tmp_path):
    data = encode.prepare("glue-rte", rte, tokenizer, tmp_path / "cache")
    own = Tokenizer.from_file(str(tokenizer))
    assert {tuple(data.splits["train"].label_ids(i)) for i in range(16)} == {(own.token_to_id(word),) for word in "01"}


def test_examples_are_those_that_were_read(rte, tokenizer, tmp_path):
    data = encode.prepare("glue-rte", rte, tokenizer, tmp_path / "cache")
    roles = sources.assign_roles("glue-rte", rte.read())
    for role, split in data.splits.items():
        assert list(split.examples) == roles[role]
        assert split.examples[1] == roles[role][1]
        assert split.examples[1:3] == roles[role][1:3]


def test_batch_masks_all_but_the_label(dart, tokenizer, tmp_path):
    train = encode.prepare("dart", dart, tokenizer, tmp_path / "cache").splits["train"]
    batch = train.batch([3, 0, 5], pad_id=7)
    assert batch["input_ids"].shape == batch["labels"].shape == (3, train.lengths[[3, 0, 5]].max())
    for row, i in enumerate([3, 0, 5]):
        whole = np.concatenate([train.input_ids(i), train.label_ids(i)])
        assert batch["lengths"][row] == len(whole)
        assert batch["input_ids"][row, : len(whole)].tolist() == whole.tolist()
        assert set(batch["input_ids"][row, len(whole) :]) <= {7}
        kept = batch["labels"][row] != IGNORED
        assert batch["labels"][row][kept].tolist() == train.label_ids(i).tolist()
        assert np.flatnonzero(kept).tolist() == list(range(train.input_lengths[i], len(whole)))
    prompts = train.prompts([3, 0])
    assert prompts["input_ids"][1, : prompts["lengths"][1]].tolist() == train.input_ids(0).tolist()


def test_buckets_cover_every_example_once_within_the_limits(dart, tokenizer, tmp_path):
    train = encode.prepare("dart", dart, tokenizer, tmp_path / "cache").splits["train"]
    budget = int(3 * train.lengths.max())
    batches = train.buckets(batch_size=5, max_tokens=budget)
    assert sorted(np.concatenate(batches)) == list(range(12))
    assert all(len(batch) <= 5 and train.lengths[batch].max() * len(batch) <= budget for batch in batches)
    longest = [train.lengths[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)
    assert [len(batch) for batch in train.buckets(5, max_tokens=1)] == [1] * 12


def test_subset(dart, tokenizer, tmp_path):
    train = encode.prepare("dart", dart, tokenizer, tmp_path / "cache").splits["train"]
    few = train.subset(4, seed=1)
    assert len(few) == 4 and train.subset(None) is train and train.subset(99) is train
    everything = [example.label for example in train.examples]
    positions = [everything.index(example.label) for example in few.examples]
    assert positions == sorted(positions)
    assert few.input_ids(2).tolist() == train.input_ids(positions[2]).tolist()
    assert [e.label for e in train.subset(4, seed=1).examples] == [e.label for e in few.examples]
    assert [e.label for e in train.subset(4, seed=2).examples] != [e.label for e in few.examples]


def test_what_was_prepared_before_is_replaced(rte, tokenizer, tmp_path):
    first = encode.prepare("glue-rte", rte, tokenizer, tmp_path / "encoded")
    names = sorted(path.name for path in first.folder.iterdir())
    write_glue("glue-rte", rte.folder, dev=6)
    again = encode.prepare("glue-rte", rte, tokenizer, tmp_path / "encoded", {"test": None})
    assert set(again.splits) == {"train", "val"}
    assert sorted(path.name for path in again.folder.iterdir()) == [name for name in names if "test" not in name]
    # a run that goes on reads the files that it has mapped
    assert first.splits["test"].input_ids(0).size


def test_interruption_leaves_nothing_half_written(rte, tokenizer, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    with monkeypatch.context() as patch:
        patch.setattr(encode, "save_arrays", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            encode.prepare("glue-rte", rte, tokenizer, cache)
    assert not cache.exists()
    assert len(encode.prepare("glue-rte", rte, tokenizer, cache).splits["train"]) == 16


def test_loading_maps_the_file(rte, tokenizer, tmp_path):
    split = encode.prepare("glue-rte", rte, tokenizer, tmp_path / "cache").splits["train"]
    base = split.input_ids(0)
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        split.input_ids(0)[0] = 1


def test_files_are_numpy_s(rte, tokenizer, tmp_path):
    folder = encode.prepare("glue-rte", rte, tokenizer, tmp_path / "cache").folder
    arrays = {path.name.split(".")[1]: np.load(path) for path in folder.glob("train.*.npy")}
    assert set(arrays) == {"input_ids", "input_spans", "label_ids", "label_spans", "text_offsets"}
    assert arrays["input_ids"].dtype == np.int32


def test_examples_that_are_too_long_are_left_out_of_training(rte, tokenizer, tmp_path, monkeypatch):
    from dataclasses import replace

    module = registry.load("data", "glue-rte")
    plain = encode.prepare("glue-rte", rte, tokenizer, tmp_path / "a")
    instruction = len(Tokenizer.from_file(str(tokenizer)).encode(plain.task.instruction).ids)
    lengths = np.sort(plain.splits["train"].lengths - instruction)
    limit = int(lengths[7])
    monkeypatch.setattr(module, "task", lambda name: replace(plain.task, drop_longer_than=limit))
    cut = encode.prepare("glue-rte", rte, tokenizer, tmp_path / "b")
    assert len(cut.splits["train"]) == (lengths <= limit).sum() < 16
    assert cut.description["left_out"]["train"] == 16 - len(cut.splits["train"])
    assert cut.splits["train"].lengths.max() - instruction == limit
    assert len(cut.splits["test"]) == 5
    kept = [example for example in plain.splits["train"].examples]
    assert [e.input for e in cut.splits["train"].examples] == [
        e.input for e, n in zip(kept, plain.splits["train"].lengths - instruction, strict=True) if n <= limit
    ]


def test_tokenizer_without_end_of_text_is_refused(dart, tokenizer, tmp_path):
    document = json.loads(tokenizer.read_text(encoding="utf-8"))
    document["added_tokens"] = [token for token in document["added_tokens"] if token["content"] != "<|endoftext|>"]
    document["model"]["vocab"]["<|end|>"] = document["model"]["vocab"].pop("<|endoftext|>")
    (tmp_path / "other.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(LookupError, match="other.json: has no <|endoftext|>"):
        encode.prepare("dart", dart, tmp_path / "other.json", tmp_path / "cache")


def test_label_of_two_tokens_is_refused(rte, tokenizer, tmp_path, monkeypatch):
    from dataclasses import replace

    module = registry.load("data", "glue-rte")
    task = replace(module.task("glue-rte"), labels=("yes, it is so", "0"))
    monkeypatch.setattr(module, "task", lambda name: task)
    with pytest.raises(ValueError, match="the label 'yes, it is so' is .* tokens, and must be one"):
        encode.prepare("glue-rte", rte, tokenizer, tmp_path / "cache")


def test_real_dart_with_the_paper_s_tokenizer(tmp_path):
    source = Source("dart", "files", shared("data/dart"))
    tokenizer = shared("data/tokenizer/20B_tokenizer.json")
    data = encode.prepare("dart", source, tokenizer, tmp_path / "cache", {"train": "dev", "val": None})
    assert data.description["sizes"] == {"train": 5582, "val": 554, "test": 5097}
    assert data.splits["train"].label_ids(0)[-1] == 0  # <|endoftext|>


EDITS = {
    "data/cifar10.py": "cifar10-pixels",
    "data/_rows.py": "glue-rte",
    "data/_encode.py": "samsum",
    "data/__init__.py": "random-tokens",
    "spider/grammar.py": "spider",
    "miniature/language/words.py": "dart",
}
"""Files, each with a data set whose own file imports it, or is read by it, at one remove or more."""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the library's code."""
    shutil.copytree(registry.PACKAGE, tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(registry, "PACKAGE", tmp_path / "lib")
    return tmp_path / "lib"


@pytest.mark.parametrize("edited", EDITS)
def test_an_edit_of_code_that_a_data_set_is_read_with_runs_its_rule_again(package, edited):
    wildcards = SimpleNamespace(dataset=EDITS[edited])
    rule = DataRules.code
    before = rule(None, wildcards)
    assert rule(None, wildcards) == before
    with (package / edited).open("a", encoding="utf-8") as file:
        file.write("# another line\n")
    assert rule(None, wildcards) != before


@pytest.mark.parametrize("edited", ["data/glue.py", "plan/cell.py", "training/loop.py"])
def test_an_edit_of_other_code_does_not(package, edited):
    before = DataRules.code(None, SimpleNamespace(dataset="dart"))
    with (package / edited).open("a", encoding="utf-8") as file:
        file.write("# another line\n")
    assert DataRules.code(None, SimpleNamespace(dataset="dart")) == before


def test_the_rule_of_data_has_the_code_as_a_parameter():
    text = (registry.PACKAGE.parent / "workflow" / "rules" / "data.smk").read_text(encoding="utf-8")
    assert "code=plan.data.code" in text


def test_a_hook_that_nothing_calls_is_refused(monkeypatch):
    def cut_indexes(n):
        return [], []

    module = registry.load("data", "dart")
    cut_indexes.__module__ = module.__name__
    monkeypatch.setattr(module, "cut_indexes", cut_indexes, raising=False)
    with pytest.raises(ValueError, match="data/dart.py: nothing calls cut_indexes; is it cut_indices"):
        dataset("dart")


@pytest.mark.parametrize("name", sorted(set(registry.entries("data").values())))
def test_hooks_have_the_parameters_of_the_contract(name):
    module = importlib.import_module(f"ssmpeft_lib.data.{name}")
    for hook, described in inspect.getmembers(Dataset, inspect.isfunction):
        if not hook.startswith("_") and hasattr(module, hook):
            assert list(inspect.signature(getattr(module, hook)).parameters) == list(
                inspect.signature(described).parameters
            ), hook


def test_a_data_set_that_is_not_on_the_hub_asks_for_files(monkeypatch):
    monkeypatch.delattr(registry.load("data", "dart"), "read_hub")
    with pytest.raises(LookupError, match="dart is not read from the hub: put its original files"):
        Source("dart", "hub", None).read()
