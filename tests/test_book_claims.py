"""Claims on a page: verdicts, counts and margins beside what the text says."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import pytest

from ssmpeft_lib.book.claims_view import claims_html, overall
from ssmpeft_lib.book.pieces import findings_in_short
from ssmpeft_lib.compare.claims import evaluated
from ssmpeft_lib.compare.comparison import Column, Row
from ssmpeft_lib.compare.effects import Effect
from ssmpeft_lib.compare.values import Value

ROWS = [Row("Linear / LoRA", "Linear", "LoRA"), Row("SSM / LoRA", "SSM", "LoRA")]
CLAIM = {"says": "one beats the other", "where": "Sec. 5", "quote": "it is better"}
CLAIM |= {"rows": "Linear / LoRA", "beat": "SSM / LoRA"}


def column(label: str, better: str, printed: tuple[float, float], ours: tuple[float, float]) -> Column:
    names = [row.name for row in ROWS]
    lanes = {"printed": printed, "ours": ours}
    return Column(
        label, better, {lane: dict(zip(names, map(Value, found), strict=True)) for lane, found in lanes.items()}
    )


def test_shown_claim_gives_count_and_points_beside_its_verdict():
    columns = [column("BLEU", "higher", (50, 48), (55, 56)), column("loss", "lower", (1.0, 0.5), (1.0, 2.0))]
    claims = [evaluated(CLAIM, ROWS, columns, "spec.yaml")]
    shown = claims_html(claims, "in miniature")
    assert "in part" in shown and "1 of 2" in shown and "+2.0" in shown and "in miniature" in shown
    assert overall(claims, "printed") == {"verdict": "part", "word": "in part", "held": 0, "tested": 1}


def test_words_about_resamples_stand_only_where_something_was_resampled():
    undecided = evaluated(CLAIM, ROWS, [column("BLEU", "higher", (50, 48), (0, 0))], "spec.yaml")
    shown = claims_html([undecided], "in miniature")
    assert "resamples" not in shown and "not tested" in shown and ">1 undecided<" in shown


def test_unclear_claims_do_not_make_a_finding_fail():
    def of(*verdicts: str) -> str:
        claims = [{"lanes": {"ours": {"verdict": verdict, "held": 0, "tested": 1}}} for verdict in verdicts]
        return overall(claims, "ours")["word"]

    assert of("fails", "unclear") == of("unclear", "open") == "unclear"
    assert (of("holds", "unclear"), of("holds", "fails"), of("open")) == ("in part", "in part", "not tested")


@pytest.mark.parametrize("verdicts", product(["holds", "part", "fails", "unclear", "open"], repeat=3))
def test_a_finding_holds_exactly_where_its_count_is_full(verdicts):
    claims = [{"lanes": {"printed": {"verdict": verdict}}} for verdict in verdicts]
    found = overall(claims, "printed")
    assert (found["verdict"] == "holds") == (found["held"] == found["tested"] > 0)
    assert (found["verdict"] == "open") == (found["tested"] == 0)
    assert found["verdict"] != "fails" or found["held"] == 0


def test_a_reading_of_ours_is_marked_and_not_counted():
    columns = [column("BLEU", "higher", (50, 48), (50, 48))]
    literal = evaluated(CLAIM, ROWS, columns, "spec.yaml")
    strict = evaluated(CLAIM | {"reading": "Five points are asked for.", "by": 5}, ROWS, columns, "spec.yaml")
    shown = claims_html([literal, strict], "ours")
    assert shown.count("“it is better”") == 2 and shown.count("Our reading.") == 1 and "does not hold" in shown
    assert overall([literal, strict], "printed") == {"verdict": "holds", "word": "holds", "held": 1, "tested": 1}


def test_a_sentence_without_a_number_says_so():
    claim = {
        "says": "it is not needed",
        "where": "Sec. 5",
        "quote": "unnecessary",
        "no_number": "No row leaves it out.",
    }
    shown = claims_html([evaluated(claim, ROWS, [], "spec.yaml")], "ours")
    assert "not tested" in shown and "No row leaves it out." in shown and "<table" not in shown


def test_a_finding_in_short_shows_its_effect_and_what_small_models_say():
    effect = Effect(2.3, 0.8, 4.3, {("a", "dart"): 4.0, ("b", "dart"): 0.6})
    finding = {"number": 4, "title": "SDLoRA beats LoRA", "compares": "SDLoRA minus LoRA", "effect": effect}
    answer = {"label": "without it", "mean": -0.4, "interval": (-1.0, 0.2), "verdict": "unclear", "seeds": 3}
    for answers, expected in (([], "not run yet"), ([answer], "without it, 3 seeds")):
        book = SimpleNamespace(findings=[finding], noise=1.4, answers_of=lambda number, answers=answers: answers)
        shown = findings_in_short.myst(book, "index")
        assert "+2.3" in shown and "+0.8 to +4.3" in shown and "1 of 2 differ by more than 1.4" in shown
        assert expected in shown


def test_a_margin_of_zero_has_no_bar():
    rows = [Row("a", "", "a"), Row("b", "", "b")]
    column = Column("score", "higher", {"printed": {"a": Value(1.0), "b": Value(1.0)}})
    claim = {"says": "a is above b", "where": "Sec. 1", "quote": "above", "rows": "a", "beat": "b"}
    shown = claims_html([evaluated(claim, rows, [column], "spec.yaml")], "ours")
    assert 'against zero"' in shown
