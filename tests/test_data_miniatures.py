"""The generated miniatures go through the loaders, the encoder and the metrics of the real data."""

import json
import re

import numpy as np
import pytest
from official_files import write_tokenizer

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.data import _encode as encode
from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.metrics import score_all
from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.cell import Cell

GENERATED = {"random-tokens", "synthetic-regression", "synthetic-regression-once"}
"""Data sets that are the same at every scale."""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("miniatures")
    write_tokenizer(folder / "tokenizer.json")
    return folder


def prepared(name, work):
    if name not in GENERATED:
        pytest.importorskip(f"ssmpeft_lib.miniature.{registry.module_of('data', name)}")
    source = sources.find(name, "quick", miniatures=work / "miniatures")
    return encode.prepare(name, source, work / "tokenizer.json", work / "encoded")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in registry.entries("data") if "regression" not in name])
def test_miniature_is_read_encoded_and_scored(name, work):
    data = prepared(name, work)
    assert data.description["miniature"] == (name not in GENERATED)
    assert set(data.splits) == set(sources.ROLES)
    for split in data.splits.values():
        assert len(split) >= min(8, registry.dataset_facts(name).train)
        assert (split.label_lengths > 0).all() and (split.input_lengths > 0).all()
        batch = split.batch(split.buckets(4)[0])
        assert ((batch["labels"] >= 0).sum(1) > 0).all()
    examples = data.splits["test"].examples
    found = score_all(data.task, [example.label for example in examples], examples)
    assert found["n"] == len(examples)
    if data.task.metrics:
        assert found["score"] > 99.9
        wrong = score_all(data.task, ["?"] * len(examples), examples)
        assert wrong["score"] < 1
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("name", sorted(registry.entries("data").keys() - {"random-tokens"}))
def test_no_test_input_is_trained_on(name, work):
    splits = prepared(name, work).splits
    trained = {example.input for example in splits["train"].examples}
    assert not trained & {example.input for example in splits["test"].examples}


@pytest.mark.parametrize("name", ["glue-rte", "spider"])
def test_loading_again_gives_the_same(name, work):
    first, second = prepared(name, work), prepared(name, work)
    assert first.folder == second.folder
    for role, split in first.splits.items():
        assert np.array_equal(split.lengths, second.splits[role].lengths)
        assert list(split.examples) == list(second.splits[role].examples)


def test_command_shows_sizes_lengths_and_three_examples(work, capsys):
    assert main(["data", "glue-mnli", "--tokenizer", str(work / "tokenizer.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "glue-mnli: miniature"
    assert lines[1].startswith("official splits: train ")
    assert "(original: 314,161)" in lines[2] and "tokens  from four fifths of train" in lines[2]
    assert "from dev_matched+dev_mismatched" in lines[4]
    assert lines[5].startswith("longest input plus longest label of train: ") and "(original: 425)" in lines[5]
    assert [line.split(":")[0] for line in lines[6:]] == ["example 1", "example 2", "example 3"]


def test_command_shows_the_synthetic_regression(capsys):
    assert main(["data", "synthetic-regression"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["synthetic-regression: generated", "official splits: train 1, val 16, test 16"]
    assert re.fullmatch(r"example 1: '[0-9 .]+' -> ''", lines[5])


@pytest.mark.parametrize("name", ["synthetic-regression", "synthetic-regression-once"])
def test_synthetic_regression_holds_integers_from_0_to_9_and_no_labels(name, work):
    splits = prepared(name, work).splits
    assert [len(splits[role]) for role in sources.ROLES] == [1, 16, 16]
    numbers = np.concatenate([split.input_ids(i) for split in splits.values() for i in range(len(split))])
    assert set(numbers.tolist()) == set(range(10)) and numbers.size == 33 * 200 * 64
    assert not any(split.label_lengths.any() for split in splits.values())


@pytest.mark.parametrize(
    "cell", ["quick/mamba-130m/full/cifar10-pixels/seed0", "quick/s4-deep/full/synthetic-regression/seed0"]
)
def test_a_model_that_cannot_read_a_data_set_is_refused(cell):
    with pytest.raises(ValueError, match=f"cell {cell}: .* reads (text|numbers), and .* is (numbers|series)"):
        Cell.parse(cell)


def test_command_says_what_is_missing(tmp_path, capsys):
    assert main(["data", "dart", "--data-dir", str(tmp_path)]) == 1
    assert f"no files of dart (looked in: {tmp_path}/dart)" in capsys.readouterr().err
