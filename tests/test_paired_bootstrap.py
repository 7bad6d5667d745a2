"""The paired bootstrap against closed forms, scipy and simulated data of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ssmpeft_lib.compare.paired_bootstrap import Effect, paired_effect, power, seeds_needed

SEEDS, RESAMPLES = 3, 200


def simulated(chance, datasets, effect, seed_noise, examples, accuracy=0.7):
    """Two sides of accuracies in percent, of answers that are right by chance, seeds moving the chance itself."""
    ahead, behind = {}, {}
    for number in range(datasets):
        places = [chance.integers(examples, size=examples) for _ in range(RESAMPLES)]
        hard = chance.random(examples)
        for side, lead in ((ahead, effect / 100), (behind, 0.0)):
            side[f"data{number}"] = {}
            for seed in range(SEEDS):
                right = hard < accuracy + lead + chance.normal(0, seed_noise / 100)
                scores = [100 * right.mean(), *(100 * right[place].mean() for place in places)]
                side[f"data{number}"][seed] = scores
    return ahead, behind


def covered(datasets, seed_noise, examples, runs, effect=2.0) -> float:
    chance, found = np.random.default_rng(7), 0
    for _ in range(runs):
        low, high = paired_effect(*simulated(chance, datasets, effect, seed_noise, examples), draws=1000).interval
        found += low <= effect <= high
    return found / runs


@pytest.mark.slow
@pytest.mark.parametrize(("datasets", "seed_noise", "examples"), [(7, 2.0, 200), (7, 0.0, 200), (1, 3.0, 300)])
def test_intervals_cover_the_truth(datasets, seed_noise, examples):
    assert covered(datasets, seed_noise, examples, runs=80) >= 0.90


def test_intervals_are_not_wider_than_they_need_be():
    """Of seeds alone, nearly as wide as Student's interval of the mean over data sets."""
    chance, ratios = np.random.default_rng(3), []
    for _ in range(60):
        values = chance.normal(1, 2, size=(7, SEEDS))
        sides = {f"d{k}": {seed: [value] for seed, value in enumerate(row)} for k, row in enumerate(values)}
        none = {name: dict.fromkeys(row, [0.0]) for name, row in sides.items()}
        low, high = paired_effect(sides, none, draws=4000).interval
        spread = np.sqrt(values.var(axis=1, ddof=1).mean() / (7 * SEEDS))
        ratios.append((high - low) / (2 * stats.t.ppf(0.975, 7 * (SEEDS - 1)) * spread))
    assert 0.93 < np.mean(ratios) < 1.07


def test_examples_alone_give_the_binomial_interval():
    chance, examples = np.random.default_rng(0), 1000
    right = chance.random(examples) < 0.6
    drawn = [100 * right[chance.integers(examples, size=examples)].mean() for _ in range(2000)]
    ahead, behind = {"d": {0: [100 * right.mean(), *drawn]}}, {"d": {0: [0.0] * 2001}}
    effect = paired_effect(ahead, behind)
    half = 100 * 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / examples)
    assert effect.interval == pytest.approx((effect.mean - half, effect.mean + half), abs=0.35)
    assert effect.spread is None and effect.seeds == 1


def test_pairing_takes_out_what_both_sides_share():
    chance = np.random.default_rng(1)
    ahead, behind = simulated(chance, 3, effect=1.0, seed_noise=0.0, examples=500)
    apart = {name: {seed: list(np.roll(row, 7)) for seed, row in rows.items()} for name, rows in behind.items()}
    for rows, moved in zip(behind.values(), apart.values(), strict=True):
        for seed, row in rows.items():
            moved[seed] = [row[0], *np.random.default_rng(seed).permutation(row[1:])]
    paired, unpaired = paired_effect(ahead, behind), paired_effect(ahead, apart)
    assert np.diff(paired.interval) < 0.5 * np.diff(unpaired.interval)


def test_equal_sides_have_no_effect_and_the_same_call_the_same_interval():
    ahead, behind = simulated(np.random.default_rng(2), 2, 3.0, 1.0, 200)
    assert paired_effect(ahead, ahead) == Effect(0.0, (0.0, 0.0), 0.0, SEEDS, {"data0": 0.0, "data1": 0.0})
    assert paired_effect(ahead, behind) == paired_effect(ahead, behind)


def test_the_spread_is_that_of_the_mean_over_data_sets():
    values = np.array([[1.0, 2.0, 4.0], [0.0, 3.0, 3.0]])
    sides = {f"d{k}": {seed: [value] for seed, value in enumerate(row)} for k, row in enumerate(values)}
    none = {name: dict.fromkeys(range(3), [0.0]) for name in sides}
    assert paired_effect(sides, none).spread == pytest.approx(np.sqrt(values.var(axis=1, ddof=1).sum()) / 2)


def test_power_is_that_of_the_t_test():
    chance, effect, spread, seeds = np.random.default_rng(5), 1.0, 1.5, 12
    drawn = chance.normal(effect, spread, size=(8000, seeds))
    assert np.mean(stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05) == pytest.approx(
        power(effect, spread, seeds), abs=0.015
    )


@pytest.mark.parametrize(
    ("effect", "spread", "seeds"), [(1.0, 1.0, 10), (0.5, 1.0, 34), (-1.0, 1.0, 10), (3.0, 0.01, 2)]
)
def test_seeds_needed_are_those_of_the_tables_of_the_t_test(effect, spread, seeds):
    assert seeds_needed(effect, spread) == seeds


def test_what_no_number_of_seeds_tells_has_none():
    assert seeds_needed(0.0, 1.0) is None and seeds_needed(0.01, 10.0) is None


def test_sides_must_be_of_the_same_data_and_share_a_seed():
    with pytest.raises(ValueError, match="same data sets"):
        paired_effect({"a": {0: [1.0]}}, {"b": {0: [1.0]}})
    with pytest.raises(ValueError, match="no seed"):
        paired_effect({"a": {0: [1.0]}}, {"a": {1: [1.0]}})
