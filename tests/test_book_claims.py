"""Claims: which rows beat which, in how many columns, on which numbers."""

from __future__ import annotations

import pytest

from ssmpeft_lib.render.claims import verdict, with_verdicts
from ssmpeft_lib.render.claims_view import claims_html, overall


def point(printed, ours=(), better="higher"):
    seeds = {str(seed): value for seed, value in enumerate(ours)}
    return {
        "printed": None if printed is None else {"value": printed},
        "ours": {"mean": sum(ours) / len(ours), "by_seed": seeds} if ours else {"problems": ["not run"]},
        "better": better,
    }


def document(*rows, labels=("BLEU", "loss")):
    return {
        "seeds": 2,
        "columns": [{"label": label} for label in labels],
        "rows": [
            {"name": name, "group": group, "label": name.rpartition(" / ")[2], "points": points}
            for name, group, points in rows
        ],
    }


TWO = document(
    ("Linear / LoRA", "Linear", [point(50, [60, 50]), point(1.0, [1.0, 1.0], "lower")]),
    ("SSM / LoRA", "SSM", [point(48, [56, 56]), point(0.5, [2.0, 2.0], "lower")]),
)
CLAIM = {"says": "one beats the other", "rows": "Linear / LoRA", "beat": "SSM / LoRA"}


def lanes(claim, of=TWO):
    return with_verdicts([claim], of, "spec.yaml")[0]["lanes"]


def test_margin_follows_the_direction_of_its_metric():
    printed = lanes(CLAIM)["printed"]
    assert [column["margin"] for column in printed["columns"]] == [2, -0.5]
    assert (printed["held"], printed["tested"], printed["verdict"]) == (1, 2, "part")


def test_own_numbers_have_a_verdict_of_their_own_and_are_counted_by_seed():
    first, second = lanes(CLAIM)["ours"]["columns"]
    assert (first["margin"], first["seeds_held"], first["seeds"]) == (-1, 1, 2)
    assert (second["margin"], second["seeds_held"]) == (1, 2)


def test_a_claim_may_pick_columns_groups_and_a_margin():
    assert lanes(CLAIM | {"columns": ["BLEU"]})["printed"]["verdict"] == "holds"
    assert lanes(CLAIM | {"columns": ["BLEU"], "by": 2.5})["printed"]["verdict"] == "fails"
    assert (
        lanes({"says": "", "rows": "SSM", "beat": ["Linear"], "by": -3, "columns": ["BLEU"]})["printed"]["verdict"]
        == "holds"
    )


def test_best_of_several_is_enough_where_the_claim_says_so():
    three = document(
        ("A / x", "A", [point(10), point(1, better="none")]),
        ("A / y", "A", [point(30), point(1, better="none")]),
        ("B / z", "B", [point(20), point(1, better="none")]),
    )
    assert lanes({"says": "", "rows": "A", "beat": "B"}, three)["printed"]["verdict"] == "fails"
    assert lanes({"says": "", "rows": "A", "beat": "B", "best": True}, three)["printed"]["verdict"] == "holds"


def test_missing_value_leaves_a_claim_open():
    half = document(("a", "", [point(1), point(None)]), ("b", "", [point(2), point(1)]))
    found = lanes({"says": "", "rows": "b", "beat": "a"}, half)
    assert (found["printed"]["tested"], found["ours"]["verdict"]) == (1, "open")
    assert verdict(0, 0) == "open"


@pytest.mark.parametrize(
    "wrong, said",
    [({"rows": "Linear / LoRa"}, "did you mean 'Linear / LoRA'"), ({"columns": ["BLUE"]}, "did you mean 'BLEU'")],
)
def test_unknown_names_are_refused_with_what_is_meant(wrong, said):
    with pytest.raises(LookupError, match=said):
        lanes(CLAIM | wrong)


def test_shown_claim_gives_count_and_points_beside_its_verdict():
    tested = with_verdicts([CLAIM], TWO, "spec.yaml")
    shown = claims_html(tested, "in miniature")
    assert "in part" in shown and "1 of 2" in shown and "+2.0" in shown and "in miniature" in shown
    assert overall(tested, "printed") == {"verdict": "part", "word": "in part", "held": 1, "tested": 2}
