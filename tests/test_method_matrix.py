"""Every method on every family in every way: nothing is wrong, and what does not work is refused in words."""

from __future__ import annotations

import json

import pytest
from families import FAMILIES
from reference import REPOSITORY

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.adapters.deltas import LowRank
from ssmpeft_lib.checkup import matrix

RECORDED = REPOSITORY / "recorded" / "method_matrix.json"


@pytest.fixture(scope="module")
def recorded():
    return json.loads(RECORDED.read_text(encoding="utf-8"))


def test_the_recorded_matrix_is_whole_and_right(recorded):
    assert recorded["fields"] == matrix.FIELDS
    tried = {(entry["family"], entry["method"]) for entry in recorded["entries"]}
    methods = {method for _, method in tried}
    assert tried == {(family, method) for family in FAMILIES for method in methods}
    assert {"lora", "sdlora", "prompt", "full", "dora", "bitfit", "prefix", "initial_state"} <= {
        method.partition(",")[0] for method in methods
    }
    for entry in recorded["entries"]:
        assert list(entry["fields"]) == list(matrix.FIELDS)
        for name, field in entry["fields"].items():
            assert field["ok"] is not False, (entry["family"], entry["method"], name, field["found"])
            assert field["ok"] or field["found"].startswith("refused: ")


@pytest.mark.parametrize("family", ["Mamba2", "Jamba"])
@pytest.mark.parametrize("method", ["lora,rank=2", "prompt", "full"])
def test_it_is_what_is_found_now(recorded, family, method):
    found = {name: check.ok for name, check in matrix.fields(family, method).items()}
    (entry,) = [e for e in recorded["entries"] if (e["family"], e["method"]) == (family, method)]
    assert found == {name: field["ok"] for name, field in entry["fields"].items()}


def test_a_fault_is_seen(monkeypatch, capsys):
    """A delta that changes the output otherwise than the weight: it trains, and merging it is wrong."""
    factors = LowRank.factors
    monkeypatch.setattr(LowRank, "factors", lambda self, x: (factors(self, x)[0], 2 * factors(self, x)[1]))
    assert main(["method-matrix", "--families", "Mamba", "--methods", "lora@linear"]) == 1
    told = capsys.readouterr().out
    assert "merge WRONG" in told and "WRONG merge: relative difference" in told and "save ok" in told


def test_a_family_that_is_none(capsys):
    assert main(["method-matrix", "--families", "Mamba3"]) == 1
    assert "no family 'Mamba3'" in capsys.readouterr().err
