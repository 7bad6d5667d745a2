"""The errata of the tables: no number in their text that is not recomputed, and the evidence known from elsewhere."""

from __future__ import annotations

import json
import re
import string
from functools import cache

import pytest
from exhibit_specs import exhibits
from reference import REPOSITORY, shared

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.compare.errata import CHECKS, errata_of_tables, load_errata, printed_twice
from ssmpeft_lib.compare.errata import _checks as of_tables
from ssmpeft_lib.compare.errata.numbers import Counts, PrintedNumbers
from ssmpeft_lib.compare.errata.splits import attainable
from ssmpeft_lib.plan.errata import WEIGHTS
from ssmpeft_lib.plan.results import write_json
from ssmpeft_lib.theory.checks import _shared as of_theory

ERRATA = load_errata()
LEVELS = ("all", "easy", "medium", "hard", "extra")
CHECKED = [erratum for erratum in ERRATA if erratum.check]
REFERENCES = re.compile(
    r"erratum [ET]-\d+|Tables? \d+(, \d+)*( and \d+)?|Sec(tions?|s)?\.? [A-E0-9.]+( and [A-E]?[0-9.]+)?|Finding \d"
    r"|Mam(b)?a-(II-)?[\d.]+[MB]"
    r"|\(?\d{4}[ab]\)|Proposition \d|Jamba-Mini-52B|Jamba-Tiny 52B|\([^()]*1\.4B, 2\.8B\)|CIFAR-10|SST-2|float32|\bS4\b"
)


@cache
def counts() -> dict[str, dict[str, dict]]:
    """The counts that the errata need, made on the shapes of the real models."""
    from ssmpeft_lib.commands.pipeline.shares import count_parameters

    return count_parameters({(count["model"], count["method"]) for erratum in ERRATA for count in erratum.counts})


@cache
def evidence(id: str) -> dict:
    filled = errata_of_tables(list(exhibits().values()), counts())
    return next(erratum["evidence"] for erratum in filled if erratum["id"] == id)


def test_a_table_that_was_taken_away_takes_its_errata_along_and_no_others():
    tables = exhibits()
    for gone in tables:
        kept = [table for id, table in tables.items() if id != gone]
        left = {found["id"] for found in errata_of_tables(kept, counts())}
        assert {one.id for one in CHECKED} - left <= {one.id for one in CHECKED if one.id in _needs(gone)}


@cache
def _needs(exhibit: str) -> set[str]:
    """The errata whose check reads an exhibit, by what it says when that is not there."""
    kept, needing = PrintedNumbers([table for id, table in exhibits().items() if id != exhibit]), set()
    for erratum in CHECKED:
        try:
            CHECKS[erratum.check](kept, Counts(counts()))
        except LookupError as error:
            assert f"no exhibit {exhibit!r}" in str(error)
            needing.add(erratum.id)
    return needing


def test_a_count_that_failed_takes_the_errata_along_that_need_it():
    first = next(one for one in CHECKED if one.counts)
    broken = json.loads(json.dumps(counts()))
    for count in first.counts:
        broken[count["model"]][count["method"]] = {"problem": "NameError: name 'slot' is not defined"}
    left = {found["id"] for found in errata_of_tables(list(exhibits().values()), broken)}
    assert first.id not in left and len(left) > len(ERRATA) / 2


WITHDRAWN = {"E-16"}
"""Ids that are not given again: "nine of eleven" is what the printed digits allow."""


def test_ids_count_up():
    ids = [erratum.id for erratum in ERRATA]
    assert ids == [name for n in range(1, len(ids) + len(WITHDRAWN) + 1) if (name := f"E-{n:02d}") not in WITHDRAWN]


def test_every_check_is_cited_once():
    assert sorted(erratum.check for erratum in CHECKED) == sorted(CHECKS)


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_every_number_comes_from_a_check_or_is_a_quote(erratum):
    sentences = [erratum.printed, erratum.right, erratum.text]
    fields = [field for one in sentences for _, field, _, _ in string.Formatter().parse(one) if field]
    for one in sentences:
        prose = REFERENCES.sub("", re.sub(r"\{[^}]*\}", "", one))
        assert not re.search(r"\d", prose), f"{erratum.id} has a number of its own: {prose}"
    assert bool(fields) == bool(erratum.check or erratum.quotes)
    assert set(erratum.quotes) <= set(fields), f"{erratum.id} quotes what it does not use"


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_it_is_about_exhibits_that_are_there(erratum):
    assert set(erratum.exhibits) <= set(exhibits())


@pytest.mark.parametrize("erratum", [e for e in ERRATA if e.quotes], ids=lambda erratum: erratum.id)
def test_quotes_are_in_the_paper(erratum):
    (text,) = shared("seeds").glob("003_*.txt")
    paper = re.sub(r"[\s$]+", " ", text.read_text(encoding="utf-8"))
    for quote in erratum.quotes.values():
        words = quote.split(" and ")
        assert all(re.search(rf"(?<![\d.]){re.escape(word)}(?![\d.]\d)", paper) for word in words), quote


@pytest.mark.parametrize(
    "id, expected",
    [
        ("E-01", {"glue": 76.8, "tasks": 77.9, "initial_state": 76.8, "spider": 48.4, "spider_detailed": 51.3}),
        ("E-02", {"glue": "out_proj", "dart": "in_proj_z", "spider": "in_proj_x + in_proj_z"}),
        ("E-02", {"better": "out_proj", "better_score": 61.8, "better_share": 0.17}),
        ("E-02", {"better_dart": "out_proj", "better_meteor": 70.7, "better_dart_share": 0.34, "printed_meteor": 70.4}),
        ("E-03", {"same": 7, "placement": "out_proj", "dart": "in_proj_x + in_proj_z", "spider": "out_proj"}),
        ("E-04", {"printed": 79.3, "lora": 78.3, "full": 79.3}),
        ("E-05", {"with_130m": 1.15, "with_1_4b": 0.58, "with_2_8b": 0.48}),
        ("E-06", {"rte": 69.5, "rte_detailed": 67.5, "average": 68.6, "average_with": 68.89, "rows": 4}),
        ("E-07", {"glue": 0.03, "dart": 22.69}),
        ("E-08", {"wrong": 2, "rows": 4}),
        ("E-08", {"dt_proj_printed": 73.4, "dt_proj": 73.0, "norm_printed": 73.5, "norm": 73.3}),
        ("E-08", {"qnli": 52.7, "qnli_others": 76.8}),
        ("E-09", {"wrong": 1, "rows": 56, "printed": 39.7, "total": 40.05}),
        ("E-10", {"table17": 0.18, "counted_1_4b": 0.18, "table18": 0.36, "counted_130m": 0.36}),
        ("E-11", {"first_1_4b": 0.48, "second_1_4b": 0.35, "third_1_4b": 0.23, "third_130m": 0.46}),
        ("E-12", {"lora": "dt_proj", "dora_dart": "A_log", "dora_spider": "x_proj or dt_proj"}),
        ("E-12", {"linear_dart": "in_proj_x", "linear_spider": "out_proj", "better": "in_proj_z"}),
        ("E-13", {"meteor": 0.6, "spider": 1.4, "other_tables": "no"}),
        ("E-14", {"mrpc_test": 20, "mrpc": 20, "mrpc_val": 13, "rte_test": 18, "rte_val": 12, "levels": "190 of 190"}),
        ("E-14", {"spider_single": "10 of 10", "spider_as_test": 1}),
        ("E-15", {"held": 11, "columns": 14, "glue_lora": 79.21, "glue_sdlora": 79.21}),
        ("E-15", {"rl_lora": 42.33, "rl_sdlora": 42.33}),
        ("E-17", {"counted_130m": 0.3354, "counted_1_3b": 0.1614}),
        ("E-19", {"dart": "70,524", "pixels": "1,728", "longest": "1,730"}),
        ("E-20", {"ranks": "2, 5 and 3", "datasets": 5}),
        ("E-21", {"best": 5, "tied": "Mamba-1.4B SAMSum R1"}),
        ("E-22", {"points": 0.4}),
        ("E-24", {"of_dart": 3.2, "share": 5}),
        ("E-27", {"total": 5.25}),
        ("E-28", {"printed": "0.3492, 0.3498 and 0.3509 %", "holds": "90, 75 and 50 % frozen"}),
        ("E-30", {"thirds": 6, "table5": 6, "others": "10 of 10"}),
        ("E-31", {"tasks": 6}),
        ("E-35", {"tokens": 1, "share": 0.03, "states": 16}),
        ("E-36", {"points": 8.2, "mnli": 78.5, "mnli_prefix": 35.6, "mnli_part": 6.1, "chance": 33.3}),
        ("E-36", {"others": 76.5, "others_prefix": 74.4}),
        ("E-37", {"low": 46.3, "worst": "in_proj_z", "high": 61.8, "best": "out_proj"}),
        ("E-39", {"printed": 0.15, "with_dt_proj": 0.15, "without": 0.11}),
        ("E-40", {"better": 5, "scores": 8, "tied": "Mamba-1.4B SAMSum R1"}),
        ("E-42", {"difference": 2015}),
        ("E-43", {"printed": 0.76, "vector": 0.76, "error": 3.04}),
        ("E-44", {"shift": 0.77, "vector": 0.76, "update": 7.6}),
    ],
)  # fmt: skip
def test_evidence(id, expected):
    found = evidence(id)
    for name, value in expected.items():
        if isinstance(value, str):
            assert found[name] == value
        else:
            decimals = len(str(value).partition(".")[2])
            assert found[name] == pytest.approx(value, abs=0.5001 * 10.0**-decimals), name


def test_the_heaviest_come_first():
    weights = [erratum["weight"] for erratum in errata_of_tables(list(exhibits().values()), counts())]
    assert weights == sorted(weights, key=list(WEIGHTS).index) and weights[0] == "conclusion"


@pytest.mark.parametrize("checks", [of_tables, of_theory], ids=["tables", "theory"])
def test_two_checks_of_one_name_are_refused(checks):
    known = next(iter(checks.CHECKS.values()))
    with pytest.raises(ValueError, match=f"two checks .* are called '{known.__name__}'"):
        checks.check(known)


def test_what_is_printed_twice_is_found_by_machine():
    found = {
        (entry["model"], entry["method"], entry["dataset"], entry["metric"])
        for entry in printed_twice(list(exhibits().values()))
    }
    assert found == {
        ("mamba-130m", "bitfit", "glue", "test.score"),
        ("mamba-1.4b", "bitfit", "spider", "test.exec_all"),
        ("mamba-130m", "lora@in_proj", "cifar10", "test.accuracy"),
        ("mamba-130m", "prefix,tokens=1,mlp=false", "glue-rte", "test.accuracy"),
        ("mamba-130m", "lora@ssm", "glue", "test.score"),
        ("mamba2-130m", "lora@ssm", "dart", "test.meteor"),
        *(("mamba2-1.3b", "lora@ssm", "spider", f"test.exec_{level}") for level in LEVELS),
    }  # fmt: skip


def test_more_than_a_hundred_quantities_are_printed_twice_with_one_value():
    keys = [point.key for exhibit in exhibits().values() for point in exhibit.points if point.printed]
    assert len({key for key in keys if keys.count(key) > 1}) > 100


@pytest.mark.parametrize(
    "percent, digits, questions, can",
    [(66.7, 1, 3, True), (66.6, 1, 3, False), (0.0, 1, 7, True), (100.0, 1, 7, True), (14.3, 1, 7, True)],
)
def test_attainable(percent, digits, questions, can):
    assert attainable(percent, digits, questions) == can


def test_command_writes_both(tmp_path):
    write_json(tmp_path / "shares.json", counts())
    target = tmp_path / "errata.json"
    specs = REPOSITORY / "workflow" / "exhibits"
    assert (
        main(["errata", "--specs", str(specs), "--shares", str(tmp_path / "shares.json"), "--output", str(target)]) == 0
    )
    written = json.loads(target.read_text(encoding="utf-8"))
    assert len(written["errata"]) == len(ERRATA) and written["printed_twice"]
    assert not any("{" in erratum["text"] for erratum in written["errata"])


def test_a_missing_count_is_named(tmp_path, capsys):
    write_json(tmp_path / "shares.json", {})
    specs = REPOSITORY / "workflow" / "exhibits"
    given = [
        "errata",
        "--specs",
        str(specs),
        "--shares",
        str(tmp_path / "shares.json"),
        "--output",
        str(tmp_path / "x"),
    ]
    assert main(given) == 1
    assert "the parameters of lora@A_log+ssm on mamba-130m were not counted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, says",
    [
        (("check: bitfit", "check: bitfti"), "no check 'bitfti' in .*did you mean 'bitfit'"),
        (("  title: BitFit", "  tilte: BitFit"), "no key 'tilte'"),
        (("id: E-01", "id: 1"), "key '0.id': got 1, needs string"),
    ],
)
def test_a_bad_entry_is_named(tmp_path, change, says):
    path = tmp_path / "tables.yaml"
    path.write_text(
        (REPOSITORY / "workflow/errata/tables.yaml").read_text(encoding="utf-8").replace(*change, 1), encoding="utf-8"
    )
    with pytest.raises((ValueError, LookupError), match=says):
        load_errata(path)
