"""The table of what the pipeline costs, from what benchmarks/pipeline.py writes."""

from __future__ import annotations

import json

import pytest

from ssmpeft_lib.book.pieces import pipeline

TOOK = {"seconds": 12.5, "cpu_seconds": 8.25, "memory_mb": 640}
MEASURED = {
    "planning": [{"cells": 20_000, "fresh": TOOK, "nothing_to_do": TOOK | {"cpu_seconds": 3.5}}],
    "cell": [
        {"cell": "quick/a/b/c/seed0", "start": start, "repeats": 5, "start_up": up, "training": 2.0, "scoring": 0.5}
        | {"writing": 0.25}
        for start, up in (("warm", 0.75), ("plain", 14.0))
    ],
    "book": [{"notebooks": 440, "pages": TOOK, "html": TOOK}],
}


@pytest.fixture(autouse=True)
def nothing_recorded(monkeypatch, tmp_path):
    """No file of the repository."""
    monkeypatch.setattr(pipeline, "DATA", tmp_path / "data.json")


def test_data_and_scores_stand_alone_too(monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline, "RECORDED", tmp_path / "nothing.json")
    row = {
        "what": "spider: load",
        "seconds": 2.5,
        "cpu": 1.25,
        "per_second": 12_345,
        "peer": "3.00 x as fast as that",
    }
    made = {"machine": "a machine, 2 cores", "load": 0.5, "repeats": 5, "rows": [row, row | {"peer": ""}]}
    (tmp_path / "data.json").write_text(json.dumps(made), encoding="utf-8")
    text = pipeline.myst(None, "reproduce")
    assert "a machine, 2 cores; load average 0.5" in text and "2.5\u00a0s" in text
    assert "12\u202f345" in text and "3.00 x as fast as that" in text


@pytest.mark.parametrize("parts", [["planning", "cell", "book"], ["cell"]])
def test_what_was_measured_is_shown_with_its_machine(monkeypatch, tmp_path, parts):
    path = tmp_path / "pipeline.json"
    made = {part: {"machine": "a machine, 2 cores", "load": 1.5, "rows": MEASURED[part]} for part in parts}
    path.write_text(json.dumps(made), encoding="utf-8")
    monkeypatch.setattr(pipeline, "RECORDED", path)
    text = pipeline.myst(None, "reproduce")
    assert text.count("a machine, 2 cores; load average 1.5") == len(parts)
    assert "0.75\u00a0s" in text and "14\u00a0s" in text
    assert ("20\u202f000" in text and "640\u00a0MB" in text) == ("planning" in parts)


def test_where_nothing_was_measured_the_page_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline, "RECORDED", tmp_path / "nothing.json")
    assert pipeline.myst(None, "reproduce") == ""
