"""The results contract: checked before it is written, whole or not there."""

from __future__ import annotations

import os

import pytest

from ssmpeft_lib.plan.results import MissingMetric, read_metrics, value_at, write_json, write_metrics

GOOD = {
    "schema": 1,
    "status": "ok",
    "cell": "quick/mamba-130m/full/dart/seed0",
    "recipe": {},
    "data": {},
    "val": {"bleu": 51.8},
    "cost": {"trainable_pct": 100.0},
    "history": [],
    "made_by": {"results_version": 1},
}


def test_what_is_written_is_read_again(tmp_path):
    write_metrics(tmp_path / "a" / "metrics.json", GOOD)
    assert read_metrics(tmp_path / "a" / "metrics.json") == GOOD


@pytest.mark.parametrize(
    "change, message",
    [
        ({"tset": {}}, "no key 'tset'"),
        ({"val": {"bleu": float("nan")}}, "val.bleu is nan; a metric that could not be computed must be left out"),
        ({"status": "fine"}, "no value 'fine'"),
        ({"status": "failed"}, "key 'error' is missing"),
    ],
)
def test_what_breaks_the_contract_is_not_written(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write_metrics(tmp_path / "metrics.json", GOOD | change)
    assert not list(tmp_path.iterdir())


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(ValueError, match="key 'cost' is missing"):
        write_metrics(tmp_path / "metrics.json", {key: value for key, value in GOOD.items() if key != "cost"})


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    write_metrics(path, GOOD)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"half": 1})
    assert read_metrics(path) == GOOD
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.json"]


def test_a_damaged_file_says_what_to_do(tmp_path):
    (tmp_path / "metrics.json").write_text('{"schema": 1, "stat', encoding="utf-8")
    with pytest.raises(ValueError, match="not valid JSON .*remove the file and make it again"):
        read_metrics(tmp_path / "metrics.json")


def test_values_are_found_by_dotted_path_and_absence_is_not_zero():
    assert value_at(GOOD, "val.bleu") == 51.8
    with pytest.raises(MissingMetric, match="no 'test.bleu' in the results of quick/mamba-130m/full/dart/seed0"):
        value_at(GOOD, "test.bleu")
