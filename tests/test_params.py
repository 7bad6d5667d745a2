"""Shares of trainable parameters: every number that the paper prints, from the shapes of its models."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path

import pytest
import yaml
from reference import REPOSITORY

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.adapters import count as counting

params = cache(counting.params)
PRINTED = list(csv.DictReader((Path(__file__).parent / "printed_shares.csv").open(encoding="utf-8")))
MISSED = yaml.safe_load((REPOSITORY / "workflow/errata/shares.yaml").read_text(encoding="utf-8"))


def digits(share: float, printed: str) -> str:
    """A share to as many digits as are printed, without a leading zero that the paper may leave out."""
    return f"{share:.{len(printed.partition('.')[2])}f}".lstrip("0")


@pytest.mark.parametrize("row", PRINTED, ids=[f"table{row['table']}-{row['row']}-{i}" for i, row in enumerate(PRINTED)])
def test_share_is_the_printed_one(row):
    counted = params(row["model"], row["method"])
    assert digits(counted["trainable_pct"], row["printed"]) == row["printed"].lstrip("0")
    assert counted["trainable"] == int(row["trained"])


def test_there_are_207_printed_shares():
    assert (len(PRINTED), len(MISSED)) == (198, 9)


@pytest.mark.parametrize("row", MISSED, ids=[f"table{row['table']}-{i}" for i, row in enumerate(MISSED)])
def test_share_that_is_not_the_printed_one(row):
    computed = params(row["model"], row["method"])["trainable_pct"]
    assert computed == pytest.approx(row["computed"], abs=1e-6)
    assert digits(computed, row["printed"]) != row["printed"].lstrip("0")
    if row["holds_with"]:
        held = params(row["model"], row["holds_with"])["trainable_pct"]
        assert digits(held, row["printed"]) == row["printed"].lstrip("0")


def test_total_counts_a_tied_embedding_once_and_the_warmup_apart():
    plain = params("mamba-130m", "pretrained")
    assert plain["total"] == 129_135_360 and plain["trainable"] == 0 and "total_with_warmup" not in plain
    assert params("mamba-130m", "full")["trainable_pct"] == 100
    sparse = params("mamba-130m", "sdlora")
    assert sparse["total"] == 129_135_360 + sparse["trainable"]
    assert sparse["total_with_warmup"] - sparse["total"] == 24 * 1536 * 16


@pytest.mark.parametrize("no", ["false", "False"])
def test_a_truth_value_is_spelled_as_in_yaml_or_as_in_python(no):
    assert params("mamba-130m", f"prefix,mlp={no}")["trainable"] == 24 * 64 * 1536
    assert params("mamba-130m", "prefix,mlp=True") == params("mamba-130m", "prefix,mlp=true") | {
        "method": "prefix,mlp=True"
    }


def test_command_prints_one_json_object(capsys):
    assert main(["params", "mamba-130m", "lora@out_proj"]) == 0
    assert json.loads(capsys.readouterr().out) == params("mamba-130m", "lora@out_proj")


@pytest.mark.parametrize(
    "model, method, says",
    [
        ("mamba-131m", "lora", "mamba-130m"),
        ("mamba-130m", "lroa", "did you mean 'lora'"),
        ("mamba-130m", "lora@out_prj", "did you mean 'out_proj'"),
        ("mamba-130m", "lora,rnk=4", "did you mean 'rank'"),
        ("mamba-130m", "lora,rank=0", "rank=0 must be at least 1"),
        ("mamba-130m", "lora,rank=two", "rank takes a value of type int, got 'two'"),
        ("mamba-130m", "lora@D", "D is not a matrix"),
        ("mamba-130m", "bitfit@A_log,", "not of the form"),
        ("mamba-130m", "lora,also=out_proj@x", "not of the form"),
        ("mamba-130m", "lora@out_proj,also=out_proj", "adapted twice"),
        ("mamba-130m", "sdlora,freeze_states=0.98", "freeze_states=0.98 and zero_states=0.0 of 16 states leave none"),
        ("mamba-130m", "sdlora,freeze_channels=1.5", "freeze_channels=1.5 must be a fraction in [0, 1)"),
        ("mamba-130m", "sdt@norm", "norm is no matrix (shape (768,)) and has no columns to train; try also=norm"),
        ("mamba-130m", "sdt@D", "D is no matrix (shape (1536,)) and has no columns to train; try also=D"),
        ("mamba2-130m", "sdt@out_proj", "has no axis over the channels"),
        ("mamba2-130m", "sdlora,zero_channels=0.1", "nothing in backbone.layers.0.mixer can be silenced"),
        ("mamba-130m", "sdlora,rule=both", "rule='both' must be paper or upstream"),
        ("mamba-130m", "prompt,tokens=0", "tokens=0 must be at least 1"),
        ("s4-deep", "prompt", "embeds no tokens"),
        ("mamba-130m", "prefix,mlp=no", "mlp takes a value of type bool, got 'no'; allowed: true or false"),
        ("mamba-130m", "initial_state,conv_state=1", "conv_state takes a value of type bool, got 1"),
        ("mamba-130m", "prefix,tokens=abc", "tokens takes a value of type int, got 'abc'; allowed: a whole number"),
        ("mamba-130m", "prompt,tokens=true", "tokens takes a value of type int, got True"),
        ("mamba-130m", "lora,alpha=nan", "option alpha is nan; allowed are finite numbers"),
        ("mamba-130m", "lora,alpha=-inf", "option alpha is -inf; allowed are finite numbers"),
        ("mamba-130m", "prompt@foo,tokens=4", "prompt acts on no slots and takes no targets; write 'prompt,tokens=4'"),
        ("mamba-130m", "prefix@out_proj", "prefix acts on no slots"),
        ("mamba-130m", "initial_state@foo", "initial_state acts on no slots"),
        ("mamba-130m", "pretrained@foo", "pretrained acts on no slots"),
    ],
)
def test_bad_input_is_refused_in_one_line(model, method, says, capsys):
    assert main(["params", model, method]) == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
