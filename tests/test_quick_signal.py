"""The benchmark of scale quick: which cells it runs, and what it makes of their scores."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

import quick_signal as signal  # noqa: E402

SCORES = {
    signal.RANDOM: 60,
    signal.PROMPT: 50,
    signal.INITIAL_STATE: 61,
    signal.LORA: 75,
    signal.FULL: 85,
    "pretrained": 0,
}


def rows(**changed: float) -> list[dict]:
    """Results of every cell: scores by arm, on DART as on GLUE; what says no label is at chance among labels."""
    scores = SCORES | {"prompt": 40} | changed
    return [
        {"arm": arm, "dataset": name, "seed": seed, "score": scores[arm], "among_labels": scores[arm] or signal.CHANCE}
        | {"train": 1.0 + seed, "evaluate": 0.1}
        for arm, _, name, seed in signal.all_cells(3)
    ]


def judged(**changed: float) -> dict[str, bool]:
    table = signal.means(rows(**changed))
    return {bar["what"]: bar["met"] for bar in (bar.judge(table) for bar in signal.BARS)}


def test_chance_is_that_of_six_tasks_with_two_labels_and_one_with_three():
    assert pytest.approx((6 * 50 + 100 / 3) / 7) == signal.CHANCE


def test_every_bar_is_met_by_what_was_hoped_for():
    assert len(judged()) == 7 and all(judged().values())


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({"pretrained": 54}, "unadapted"),
        ({signal.LORA: 69}, "LoRA - prompt"),
        ({signal.FULL: 79}, "full - prompt"),
        ({signal.FULL: 49}, "BLEU of full"),
        ({signal.INITIAL_STATE: 59}, "initial state"),
        ({signal.RANDOM: 66}, "random stand-in"),
        ({"prompt": 64}, "DART: LoRA - prompt"),
    ],
)
def test_a_bar_that_is_not_reached_is_missed(changed, missed):
    assert [what for what, met in judged(**changed).items() if missed in what and not met]


def test_data_sets_count_the_same_however_many_seeds_they_have():
    found = [{"dataset": "a", "score": 0}, {"dataset": "b", "score": 90}, {"dataset": "b", "score": 110}]
    assert signal.mean_of(found, "score") == 50


def test_what_is_not_trained_runs_once():
    cells = signal.all_cells(3)
    assert len(cells) == len(set(cells)) == 7 * (4 * 3 + 1) + 7 * 3 + 3 * 3


def test_cost_is_the_median_of_training_and_evaluation():
    lines = {(line["data"], line["arm"]): line for line in signal.costs(rows())}
    assert lines["glue", signal.FULL]["total"] == pytest.approx(2.1) and not lines["glue", signal.FULL]["met"]
    assert lines["dart", signal.FULL]["met"]
