"""The errata: well-formed, complete, and with numbers that come out again."""

from __future__ import annotations

import shutil
from itertools import groupby

import pytest

from ssmpeft_lib.theory.checks import CHECKS
from ssmpeft_lib.theory.errata import BELOW, ERRATA, agrees, errata, evidence, write_evidence
from ssmpeft_lib.theory.verdicts import PARTS

ENTRIES = errata()
CHECKED = [entry for entry in ENTRIES if entry.check]


def test_ids_are_all_there_once():
    assert sorted(entry.id for entry in ENTRIES) == [f"T-{number:02d}" for number in range(1, len(ENTRIES) + 1)]


def test_entries_of_a_statement_lie_together():
    runs = [statement for statement, _ in groupby(ENTRIES, lambda entry: entry.statement)]
    assert len(runs) == len(set(runs))


@pytest.mark.parametrize("entry", CHECKED, ids=lambda entry: entry.id)
def test_evidence_comes_out_again(entry):
    computed = evidence(entry.check)
    assert agrees(entry.evidence, computed), f"{entry.id}: {computed}; python -m ssmpeft_lib theory-evidence writes it"


@pytest.mark.parametrize("entry", CHECKED, ids=lambda entry: entry.id)
def test_what_is_called_repaired_is_exact_and_what_is_called_printed_is_not(entry):
    for name, value in entry.evidence.items():
        if name == "printed":
            assert abs(value) > 1e-3
        if name == "repaired":
            assert value in (BELOW, 0) or entry.check == "group_size"


def test_every_check_is_cited():
    assert set(CHECKS) - {entry.check for entry in CHECKED} == {"selective_prefix", "continuous_count"}


def test_an_error_has_evidence_or_is_one_of_logic():
    assert [entry.id for entry in ENTRIES if entry.kind == "error" and not entry.check] == ["T-06"]


def test_numbers_that_differ_are_noticed():
    assert agrees({"a": 1.0, "b": BELOW, "c": 4}, {"a": 1.1, "b": 3e-15, "c": 4})
    assert agrees({"a": BELOW}, {"a": 0.0})
    assert not agrees({"a": 1.0}, {"a": 1.2})
    assert not agrees({"a": BELOW}, {"a": 1e-3})
    assert not agrees({"a": 1e-3}, {"a": 1e-15})
    assert not agrees({"a": BELOW}, {"a": 0})
    assert not agrees({"a": 1.0}, {"b": 1.0})


def test_writing_the_evidence_changes_nothing(tmp_path):
    copy = shutil.copy(ERRATA, tmp_path / "theory.yaml")
    write_evidence(copy)
    assert errata(copy) == ENTRIES
    prose = [line for line in ERRATA.read_text(encoding="utf-8").splitlines() if "evidence:" not in line]
    assert [line for line in copy.read_text(encoding="utf-8").splitlines() if "evidence:" not in line] == prose


@pytest.mark.parametrize(
    "change, message",
    [(("kind: gap", "kind: typo"), "kind 'typo'"), (("check: exponent", "check: sign"), "check 'sign'")],
)
def test_a_bad_entry_is_named(tmp_path, change, message):
    path = tmp_path / "theory.yaml"
    path.write_text(ERRATA.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        errata(path)


def test_bounds_of_the_verdicts_are_those_that_the_theorems_print():
    printed = {part.number: part for part in PARTS if part.check in ("channel_bound", "rank_of_columns")}
    for number, part in printed.items():
        bound = evidence(part.check)[number.replace("construction", "printed")]
        assert part.holds(bound) and not part.holds(bound + 1)


def test_every_statement_has_parts_that_hold_and_parts_that_do_not():
    found = {(part.statement, part.verdict) for part in PARTS}
    assert found == {(part.statement, word) for part in PARTS for word in ("confirmed", "not confirmed")}
