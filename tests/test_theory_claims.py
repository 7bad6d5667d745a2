"""Runs of the regression on disk, their fronts, and verdicts on the paper's claims."""

from __future__ import annotations

import json
from math import inf

import pytest
from reference import REPOSITORY

from ssmpeft_lib.book.exhibit_page import exhibit_page
from ssmpeft_lib.book.notice import Notice
from ssmpeft_lib.compare.join import exhibit_document
from ssmpeft_lib.plan.exhibit import Exhibit
from ssmpeft_lib.theory import regression_records
from ssmpeft_lib.theory.arms import Arm
from ssmpeft_lib.theory.figure_points import arm_of, points
from ssmpeft_lib.theory.regression import GRID, Data
from ssmpeft_lib.theory.regression_claims import best, claims, compare, front, under
from ssmpeft_lib.theory.regression_records import read_runs, recorded, run_to_file

SPECS = REPOSITORY / "workflow" / "exhibits"


def run(method, share, errors, rule="algorithm_1", channels=0):
    return [
        {"method": method, "share": share, "seed": seed, "rule": rule, "channels": channels, "error": error}
        for seed, error in enumerate(errors)
    ]


RUNS = [
    *run("lora_proj", 8, [4.0, 8.0, 4.0]),
    *run("lora_proj", 16, [5.0, 4.0, inf]),
    *run("sdlora", 10, [2.0, 4.0, 2.1], channels=8),
    *run("sdlora", 30, [1.0, 2.0, 1.0], channels=8),
    *run("sdt", 20, [0.5, 1.0, 0.56], channels=8),
    *run("sdt", 60, [0.3, 0.6, 0.3], channels=8),
    *run("full", 100, [0.4, 0.8, 0.45]),
]


def test_front_falls_and_skips_runs_that_diverged():
    assert front(RUNS, "error", "lora_proj") == {8: [4.0, 8.0, 4.0], 16: [4.0, 4.0, 4.0]}
    assert best(RUNS, "error", 2, ("lora_proj",)) == 4.0
    assert best(RUNS, "error", 0, ("sdt",), budget=10) == inf


def test_comparison_by_hand():
    result = compare(RUNS, "error", ("sdlora",), ("lora_proj",), budget=10)
    assert result.ratios == pytest.approx((0.5, 0.5, 0.525))
    assert result.mean == pytest.approx((0.5 * 0.5 * 0.525) ** (1 / 3))
    assert result.low < result.mean < result.high < 1 and result.verdict == "better"
    assert compare(RUNS, "error", ("lora_proj",), ("sdlora",), budget=10).verdict == "worse"


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
    runs = [*RUNS, *run("sdt", 20, [9.0, 9.0, 9.0], rule="released", channels=8)]
    assert under(runs, "algorithm_1") == RUNS
    assert {r["method"] for r in under(runs, "released")} == {"lora_proj", "full", "sdt"}


@pytest.fixture
def counted(monkeypatch):
    """A grid that costs nothing and says which arms it was asked to run."""
    asked = []

    def grid(seeds, arms, data, steps):
        asked.extend(arms)
        for arm in arms:
            for seed in seeds:
                yield {**{name: getattr(arm, name) for name in Arm.__dataclass_fields__}, "seed": seed, "error": inf}

    monkeypatch.setattr(regression_records, "run_grid", grid)
    return asked


def test_a_file_is_continued(tmp_path, counted):
    path, arms = tmp_path / "runs.csv", [Arm("full"), Arm("sdt", channels=8, states=4)]
    run_to_file(path, range(2), arms[:1], Data())
    run_to_file(path, range(2), arms, Data())
    assert counted == arms
    runs = read_runs(path)
    assert [r["method"] for r in runs] == ["full", "full", "sdt", "sdt"]
    assert all(r["error"] == inf for r in runs) and runs[2]["channels"] == 8


def test_runs_of_another_setting_are_not_mixed(tmp_path, counted):
    path = tmp_path / "runs.csv"
    run_to_file(path, range(2), [Arm("full")], Data())
    for seeds, data in ((range(3), Data()), (range(2), Data(4, resample=True))):
        with pytest.raises(ValueError, match="choose another file"):
            run_to_file(path, seeds, [Arm("full")], data)


@pytest.mark.parametrize(
    "row, arm",
    [
        ("Frozen (the residual is trained)", Arm("frozen")),
        ("LoRA (Proj) (rank 4)", Arm("lora_proj", rank=4)),
        ("LoRA (S4+Proj) (rank 4, as drawn: with the step sizes)", Arm("lora_dt_proj", rank=4)),
        ("LoRA on S4 (rank 4, as in the text)", Arm("lora_s4_proj", rank=4, s4_rank=4)),
        ("SDLoRA (16 channels, 4 states, rank 8)", Arm("sdlora", rank=8, channels=16, states=4)),
        ("Full", Arm("full")),
    ],
)
def test_row_of_a_figure_means_an_arm_of_the_grid(row, arm):
    figure = Exhibit.load(SPECS / "figure1.yaml")
    assert arm_of(next(point.method for point in figure.points if point.row == row)) == arm and arm in GRID


@pytest.mark.parametrize("name", ["figure1", "figure2"])
def test_kept_points_are_those_of_the_recorded_runs(name):
    kept = json.loads((REPOSITORY / "recorded" / "exhibits" / f"{name}.json").read_text(encoding="utf-8"))
    assert kept["points"] == json.loads(
        json.dumps(points(Exhibit.load(SPECS / f"{name}.yaml"), recorded("fresh_sequences")))
    )


def test_point_is_the_mean_over_seeds_of_the_best_rate():
    runs = [run for run in recorded("fresh_sequences") if run["method"] == "full"]
    by_hand = {seed: min(run["fresh_error"] for run in runs if run["seed"] == seed) for seed in range(5)}
    found = points(Exhibit.load(SPECS / "figure1.yaml"), recorded("fresh_sequences"))["Full"]
    assert found["Error"]["by_seed"] == {str(seed): error for seed, error in by_hand.items()}
    assert found["Params (%)"] == {"mean": 100.0}


def test_exhibit_shows_kept_points_and_tests_claims_on_them(tmp_path):
    figure = Exhibit.load(SPECS / "figure2.yaml")
    document = exhibit_document(figure, "quick", range(1), tmp_path, {}, REPOSITORY / "recorded")
    assert document["seeds"] == document["kept"]["seeds"] == 5
    assert all(point["ours"]["mean"] and not point["unserved"] for row in document["rows"] for point in row["points"])
    tested = [claim for claim in document["claims"] if "no_number" not in claim]
    assert {claim["lanes"][lane]["tested"] for claim in tested for lane in ("printed", "recorded")} == {1}
    page = str(exhibit_page(document, "in miniature", lambda name: None, Notice("quick")))
    assert "Recorded runs of the paper’s models." in page and "one new sequence in each of 500 iterations" in page
    assert "not served" not in page and "Miniature scale" not in page


@pytest.mark.parametrize("name", ["figure1", "figure2"])
def test_printed_shares_of_a_figure_are_those_of_its_arms(name):
    """To the digits that the script computes them to; the last two of SDT as near as a picture can be read."""
    figure = Exhibit.load(SPECS / f"{name}.yaml")
    found = points(figure, recorded("fresh_sequences"))
    for row, (share, _) in figure.point_rows():
        if share.printed:
            exact = len(str(share.printed.value).partition(".")[2]) == 2
            near = pytest.approx(share.printed.value, abs=0.006 if exact else share.read_to)
            assert found[share.row][share.column]["mean"] == near, row


def test_what_the_chapter_says_of_the_runs_on_new_sequences():
    by_rule = {
        rule: {
            claim: result.verdict for claim, result in claims(under(recorded("fresh_sequences"), rule), "fresh_error")
        }
        for rule in ("algorithm_1", "released")
    }
    assert by_rule["algorithm_1"].pop("SDLoRA is below LoRA within 33 % (Figure 1)") == "better"
    assert set(by_rule["algorithm_1"].values()) == {"unclear"}
    assert set(by_rule["released"].values()) == {"unclear"}


def test_the_figures_are_judged_on_new_sequences():
    kept = json.loads((REPOSITORY / "recorded" / "exhibits" / "figure1.json").read_text(encoding="utf-8"))
    assert kept["runs"] == "recorded/regression/fresh_sequences.csv" and "new sequence" in kept["setting"]
