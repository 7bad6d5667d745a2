"""What the statements predict for a Mamba: exact parts hold, runs are complete, nothing frozen moves."""

from __future__ import annotations

import math

import pytest
import torch
from official_files import write_tokenizer

from ssmpeft_lib.book.theory import practice_page
from ssmpeft_lib.data import _encode as encode
from ssmpeft_lib.data import _source as sources
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


@pytest.mark.slow
def test_every_start_is_trained_at_every_rate(stage):
    runs = practice.run_starts(stage, seed=0, steps=1)
    assert len(runs) == 1 + len(practice.STARTS) * len(practice.START_RATES)
    assert all(math.isfinite(run["loss"]) for run in runs)
    sizes = {run["start"]: run["trained"] for run in runs}
    assert sizes["initial state"] == 2 * 32 * 16 and sizes["prefix of 4"] == 2 * 32 * 4
    assert sizes["initial state and convolution"] == sizes["initial state"] + 2 * 32 * 3


@pytest.mark.slow
def test_every_place_imitates_every_other(stage):
    before = {name: tensor.clone() for name, tensor in stage.model.state_dict().items()}
    runs = practice.run_imitation(stage, seed=0, steps=1)
    assert len(runs) == 12 * len(practice.PLACE_RATES)
    assert all(run["teacher"] != run["student"] and run["before"] > 1e-6 and run["left"] > -1e-6 for run in runs)
    assert all(torch.equal(before[name], tensor) for name, tensor in stage.model.state_dict().items())


def test_missing_model_is_named_with_the_way_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"dart.json is missing; make it with: snakemake"):
        practice.Stage.open(tmp_path)


def made_up(left_of_w_in, loss_of_whole):
    starts = [
        {"seed": seed, "start": name, "rate": rate, "trained": 5, "loss": value + rate + 0.01 * seed}
        for seed in range(3)
        for rate in (0.1, 0.2)
        for name, value in {
            **dict.fromkeys(practice.STARTS, 1.0),
            "nothing trained": 2.0,
            "initial state and convolution": loss_of_whole,
        }.items()
    ]
    imitation = [
        {"seed": seed, "teacher": a, "student": b, "before": 2.0, "left": (left_of_w_in if b == "W_in" else 1.0) + seed}
        for seed in range(3)
        for a in practice.PLACES
        for b in practice.PLACES
        if a != b
    ]
    return {"starts": starts, "imitation": imitation}


@pytest.mark.parametrize("left, loss, word", [(0.5, 0.5, "confirmed"), (1.5, 1.5, "not confirmed")])
def test_predictions_get_the_verdict_that_the_runs_say(left, loss, word):
    runs = made_up(left, loss)
    assert practice_page.losses(runs, "initial state") == pytest.approx({0: 1.1, 1: 1.11, 2: 1.12})
    assert practice_page.left(runs, "W_B", "W_in")[0] == left / 2
    shown = practice_page.predictions(runs).data
    assert shown.count(f">{word}</td>") == 8 and "unclear" not in shown


def test_recorded_runs_are_complete():
    runs = practice_page.recorded()
    seeds = {run["seed"] for run in runs["starts"]}
    assert len(seeds) >= 3 and len(runs["copied"]) == len(seeds)
    assert len(runs["imitation"]) == len(seeds) * 12 * len(practice.PLACE_RATES)
    assert not runs["made_by"]["dirty"]
