"""What the statements predict for a Mamba: exact parts hold, runs are complete, nothing frozen moves."""

from __future__ import annotations

import math

import pytest
import torch
from official_files import write_tokenizer

from ssmpeft_lib import encode, sources
from ssmpeft_lib.plan import registry
from ssmpeft_lib.theory import practice

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("practice")
    tokenizer = write_tokenizer(folder / "tokenizer.json")
    source = sources.find("dart", "quick", miniatures=folder / "miniatures")
    splits = encode.prepare("dart", source, tokenizer, folder / "encoded").splits
    splits = {name: split.subset(32) for name, split in splits.items()}
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "vocab_size": 1000, "initializer_range": 0.5}
    return practice.Stage(registry.load("models", "mamba-130m").build(**sizes), splits)


def test_what_a_prefix_leaves_behind_is_state_and_columns(stage):
    far = practice.copied_prefix(stage, seed=0, tokens=6, steps=2)
    assert abs(far["state and columns"]) < 1e-7
    assert min(far["nothing"], far["state"]) > 1e-6


def test_every_start_is_trained_at_every_rate(stage):
    runs = practice.run_starts(stage, seed=0, steps=1)
    assert len(runs) == 1 + len(practice.STARTS) * len(practice.START_RATES)
    assert all(math.isfinite(run["loss"]) for run in runs)
    sizes = {run["start"]: run["trained"] for run in runs}
    assert sizes["initial state"] == 2 * 32 * 16 and sizes["prefix of 4"] == 2 * 32 * 4
    assert sizes["initial state and convolution"] == sizes["initial state"] + 2 * 32 * 3


def test_every_place_imitates_every_other(stage):
    before = {name: tensor.clone() for name, tensor in stage.model.state_dict().items()}
    runs = practice.run_imitation(stage, seed=0, steps=1)
    assert len(runs) == 12 * len(practice.PLACE_RATES)
    assert all(run["teacher"] != run["student"] and run["before"] > 1e-6 and run["left"] > -1e-6 for run in runs)
    assert all(torch.equal(before[name], tensor) for name, tensor in stage.model.state_dict().items())


def test_missing_model_is_named_with_the_way_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"dart.json is missing; make it with: snakemake"):
        practice.Stage.open(tmp_path)
