"""Recorded runs of Figures 1 and 2: their fronts, their points, and verdicts on the paper's claims."""

from __future__ import annotations

import json
from math import inf

import pytest
from reference import REPOSITORY

from ssmpeft_lib.adapters.count import params
from ssmpeft_lib.book.exhibit_page import exhibit_page
from ssmpeft_lib.book.notice import Notice
from ssmpeft_lib.compare.join import exhibit_document
from ssmpeft_lib.compare.regression_claims import claims, compare, front
from ssmpeft_lib.compare.regression_runs import best, compared, points, public_points, recorded, sizes
from ssmpeft_lib.plan.exhibit import Exhibit

SPECS = REPOSITORY / "workflow" / "exhibits"


def run(label, share, errors):
    return [{"label": label, "share": share, "seed": seed, "error": error} for seed, error in enumerate(errors)]


RUNS = [
    *run("LoRA (Proj)", 8, [4.0, 8.0, 4.0]),
    *run("LoRA (Proj)", 16, [5.0, 4.0, inf]),
    *run("SDLoRA", 10, [2.0, 4.0, 2.1]),
    *run("SDLoRA", 30, [1.0, 2.0, 1.0]),
    *run("SDT", 20, [0.5, 1.0, 0.56]),
    *run("SDT", 60, [0.3, 0.6, 0.3]),
    *run("Full", 100, [0.4, 0.8, 0.45]),
]


def test_front_falls_and_skips_runs_that_diverged():
    assert front(RUNS, "error", "LoRA (Proj)") == {8: [4.0, 8.0, 4.0], 16: [4.0, 4.0, 4.0]}
    assert best(RUNS, "error", 2, ("LoRA (Proj)",)) == 4.0
    assert best(RUNS, "error", 0, ("SDT",), budget=10) == inf


def test_comparison_by_hand():
    result = compare(RUNS, "error", ("SDLoRA",), ("LoRA (Proj)",), budget=10)
    assert result.ratios == pytest.approx((0.5, 0.5, 0.525))
    assert result.mean == pytest.approx((0.5 * 0.5 * 0.525) ** (1 / 3))
    assert result.low < result.mean < result.high < 1 and result.verdict == "better"
    assert compare(RUNS, "error", ("LoRA (Proj)",), ("SDLoRA",), budget=10).verdict == "worse"


def test_claims_find_their_verdicts():
    verdicts = {claim: result.verdict for claim, result in claims(RUNS, "error")}
    assert verdicts == {
        "SDLoRA is below LoRA within 10 % (Figure 1)": "better",
        "SDLoRA is below LoRA within 30 % (Figure 1)": "better",
        "SDT is below SDLoRA (Figure 2)": "better",
        "SDT reaches full fine-tuning within 25 % (Figure 2)": "worse",
        "SDT passes full fine-tuning with more (Figure 2)": "better",
    }


def test_a_rule_picks_the_runs_that_choose_dimensions():
    by_paper, by_code = (recorded("fresh_sequences", rule) for rule in ("paper", "upstream"))
    choosing = ("SDLoRA", "SDT")
    assert not any("rule=upstream" in run["method"] for run in by_paper)
    assert all("rule=upstream" in run["method"] for run in by_code if run["label"] in choosing)
    others = [[run for run in runs if run["label"] not in choosing] for runs in (by_paper, by_code)]
    assert others[0] == others[1] != []


def test_sizes_of_the_recorded_runs():
    assert sizes(recorded("fresh_sequences"))[:2] == [["Frozen", "1", "0.8 %"], ["LoRA (Proj)", "3", "7.6 to 26.0 %"]]


def test_public_points_are_those_of_the_pictures():
    assert len(public_points()) == 23 and ("Frozen", 0.76, 3.04) in public_points()


@pytest.mark.parametrize("name", ["figure1", "figure2"])
def test_kept_points_are_those_of_the_recorded_runs(name):
    kept = json.loads((REPOSITORY / "recorded" / "exhibits" / f"{name}.json").read_text(encoding="utf-8"))
    assert kept["points"] == json.loads(
        json.dumps(points(Exhibit.load(SPECS / f"{name}.yaml"), recorded("fresh_sequences")))
    )


def test_point_is_the_mean_over_seeds_of_the_best_rate():
    runs = [run for run in recorded("fresh_sequences") if run["label"] == "Full"]
    by_hand = {seed: min(run["fresh_error"] for run in runs if run["seed"] == seed) for seed in range(5)}
    found = points(Exhibit.load(SPECS / "figure1.yaml"), recorded("fresh_sequences"))["Full"]
    assert found["Error"]["by_seed"] == {str(seed): error for seed, error in by_hand.items()}


def shares(figure):
    return {"s4-regression": {point.method: params("s4-regression", point.method) for point in figure.points}}


def test_exhibit_shows_kept_points_and_tests_claims_on_them(tmp_path):
    figure = Exhibit.load(SPECS / "figure2.yaml")
    document = exhibit_document(figure, "quick", range(1), tmp_path, shares(figure), REPOSITORY / "recorded")
    assert document["seeds"] == document["kept"]["seeds"] == 5
    assert all(point["ours"]["mean"] for row in document["rows"] for point in row["points"])
    assert all(len(row["points"][1]["ours"]["cells"]) == 1 for row in document["rows"])
    tested = [claim for claim in document["claims"] if "no_number" not in claim]
    assert {claim["lanes"][lane]["tested"] for claim in tested for lane in ("printed", "recorded")} == {1}
    page = str(exhibit_page(document, "in miniature", lambda name: None, Notice("quick")))
    assert "Recorded runs of the paper’s models." in page and "one new sequence in each of 500 iterations" in page
    assert "Miniature scale" not in page


def test_at_full_scale_a_figure_shows_its_own_runs(tmp_path):
    figure = Exhibit.load(SPECS / "figure1.yaml")
    document = exhibit_document(figure, "paper", range(3), tmp_path, shares(figure), REPOSITORY / "recorded")
    assert not document["kept"] and "mean" not in document["rows"][0]["points"][1]["ours"]


@pytest.mark.parametrize("name", ["figure1", "figure2"])
def test_printed_shares_of_a_figure_are_those_of_its_methods(name):
    """To the digits that the script computes them to; the last two of SDT as near as a picture can be read."""
    figure = Exhibit.load(SPECS / f"{name}.yaml")
    for row, (share, _) in figure.point_rows():
        if share.printed:
            exact = len(str(share.printed.value).partition(".")[2]) == 2
            near = pytest.approx(share.printed.value, abs=0.006 if exact else share.read_to)
            assert params("s4-regression", share.method)["trainable_pct"] == near, row


def test_what_the_chapter_says_of_the_runs_on_new_sequences():
    by_rule = {
        rule: {claim: result.verdict for claim, result in claims(recorded("fresh_sequences", rule), "fresh_error")}
        for rule in ("paper", "upstream")
    }
    assert by_rule["paper"].pop("SDLoRA is below LoRA within 33 % (Figure 1)") == "better"
    assert set(by_rule["paper"].values()) == {"unclear"}
    assert set(by_rule["upstream"].values()) == {"unclear"}


def test_the_figures_are_judged_on_new_sequences():
    kept = json.loads((REPOSITORY / "recorded" / "exhibits" / "figure1.json").read_text(encoding="utf-8"))
    assert kept["runs"] == "recorded/regression/fresh_sequences.csv" and "new sequence" in kept["setting"]


def test_runs_made_again_are_compared_rate_by_rate():
    runs = [
        {"method": "full", "seed": seed, "learning_rate": rate, "fresh_error": 2.0}
        for seed in (0, 1)
        for rate in (0.1, 0.2)
    ]
    again = [run | {"fresh_error": 2.0 + run["seed"] * run["learning_rate"]} for run in runs]
    assert compared(again, runs) == [["0.1", "2", "1.02", "1.00 to 1.05"], ["0.2", "2", "1.05", "1.00 to 1.10"]]


def test_the_runs_made_again_are_those_of_before_up_to_a_rate_of_a_hundredth():
    rows = compared(recorded("fresh_sequences_again"), recorded("fresh_sequences"))
    assert all(0.9 < float(middle) < 1.1 for rate, _, middle, _ in rows if float(rate) <= 0.01)
