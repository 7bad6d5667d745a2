"""The script that runs the tests as other machines would: what it counts, what it says, and its page."""

from __future__ import annotations

import json
import runpy

import pytest
from reference import REPOSITORY

from ssmpeft_lib.book.pieces import tried

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="passes"/>
<testcase classname="a" name="fails"><failure message="no"/></testcase>
<testcase classname="a" name="breaks"><error message="no"/></testcase>
<testcase classname="a" name="fails and breaks"><failure message="no"/><error message="no"/></testcase>
<testcase classname="a" name="skips"><skipped message="no Chromium"/></testcase>
<testcase classname="a" name="skips too"><skipped message="no Chromium"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture(scope="module")
def matrix():
    return runpy.run_path(str(REPOSITORY / "workflow" / "scripts" / "matrix.py"))


def test_every_test_is_counted_once(matrix, tmp_path):
    (tmp_path / "report.xml").write_text(REPORT, encoding="utf-8")
    assert matrix["counts"](tmp_path / "report.xml") == {
        "passed": 1,
        "failed": 3,
        "skipped": 2,
        "skips": {"no Chromium": 2},
        "failures": ["a::breaks", "a::fails", "a::fails and breaks"],
    }


def test_what_cannot_be_had_is_said(matrix, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(matrix["run_corner"].__globals__, "ROOT", REPOSITORY / "nowhere")
    outcome = matrix["run_corner"]("python-3.13")
    assert outcome["passed"] is None and "no python3.13 on the PATH runs" in outcome["not_run_because"]


def test_the_page_shows_what_ran_what_failed_and_why_something_did_not_run(monkeypatch, tmp_path):
    ran = {"what": "a & b", "passed": 4000, "failed": 1, "skipped": 2, "seconds": 65.0, "failures": ["a::fails"]}
    missing = {"what": "Python 4", "not_run_because": "it is not here", "failures": []}
    made = {"tests": "some", "made_by": {"device": "a machine", "python": "3.11"}, "command": "it"}
    path = tmp_path / "matrix.json"
    path.write_text(
        json.dumps(made | {"corners": [ran | {"not_run_because": None}, missing]}, indent=1), encoding="utf-8"
    )
    monkeypatch.setattr(tried, "RECORDED", {"Machines": path, "Versions": tmp_path / "none.json"})
    text = tried.myst(None, "what-ran")
    assert "a &amp; b" in text and "a::fails" in text and "not run: it is not here" in text
    assert "Machines" in text and "Versions" not in text


def test_nothing_recorded_is_no_table(monkeypatch, tmp_path):
    monkeypatch.setattr(tried, "RECORDED", {"Machines": tmp_path / "none.json"})
    assert tried.myst(None, "what-ran") == ""
