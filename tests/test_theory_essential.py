"""Lemmas 3, 7 and 8: how many entries must be tuned, and that tuning them is enough."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from ssmpeft_lib.theory.essential import count_parameters, discretized, fewest_changes, removal_term, tuned
from ssmpeft_lib.theory.systems import System, largest

EXACT = 1e-12


def over_all_permutations(frozen: System, target: System) -> int:
    """Lemma 3 as it is written: the minimum over all permutations."""
    H_target = len(target.A)
    BC, wanted = frozen.B * frozen.C, target.B * target.C
    return min(
        np.count_nonzero(BC[order[H_target:]])
        + np.count_nonzero(frozen.A[order[:H_target]] - target.A)
        + np.count_nonzero(BC[order[:H_target]] - wanted)
        for order in map(list, permutations(range(len(frozen.A))))
    )


@pytest.mark.parametrize("seed", range(20))
def test_assignment_finds_the_minimum_over_permutations(seed):
    """Entries from a few values, so that many are shared and many are zero."""
    rng = np.random.default_rng(seed)
    frozen = System(rng.choice([0.2, 0.4, 0.6], 5), rng.choice([0.0, 1.0, 2.0], 5), rng.choice([0.0, 1.0], 5))
    target = System(rng.choice([0.2, 0.4, 0.6], 3), rng.choice([1.0, 2.0], 3), np.ones(3))
    count = count_parameters(frozen, target)
    assert count.total == over_all_permutations(frozen, target)
    assert count.total == count.removed + count.transitions + count.interactions
    assert len(set(count.kept)) == 3


@pytest.mark.parametrize("H, H_target", [(4, 2), (4, 4), (7, 1), (16, 9)])
def test_generic_count(H, H_target):
    rng = np.random.default_rng(0)
    count = count_parameters(System.random(rng, H), System.random(rng, H_target))
    assert count.total == H - H_target + 2 * H_target


def test_a_shared_state_saves_two_entries():  # 6 become 4 for H = 4, H* = 2
    rng = np.random.default_rng(0)
    frozen, target = System.random(rng, 4), System.random(rng, 2)
    target.A[0], target.B[0], target.C[0] = frozen.A[2], frozen.B[2], frozen.C[2]
    count = count_parameters(frozen, target)
    assert (count.total, count.kept[0]) == (4, 2)


@pytest.mark.parametrize("method", ["discrete", "zoh", "bilinear"])
@pytest.mark.parametrize("remove", ["C", "B"])
def test_tuned_channel_is_the_target(method, remove):
    rng = np.random.default_rng(1)
    frozen, target, x = System.random(rng, 6), System.random(rng, 3), rng.normal(size=25)
    if method != "discrete":
        frozen, target = (System(-system.A * 5, system.B, system.C) for system in (frozen, target))
    updated = tuned(frozen, target, count_parameters(frozen, target), remove)
    if method != "discrete":
        updated, target = (discretized(system, 0.1, method) for system in (updated, target))
    assert largest(updated.run(x)[0] - target.run(x)[0]) < EXACT


def test_removal_through_A_leaves_exactly_lag_zero():
    rng = np.random.default_rng(1)
    frozen, target, x = System.random(rng, 6), System.random(rng, 3), rng.normal(size=25)
    count = count_parameters(frozen, target)
    left = np.setdiff1d(np.arange(6), count.kept)
    error = tuned(frozen, target, count, "A").run(x)[0] - target.run(x)[0]
    assert largest(error) > 1e-2
    assert largest(error - (frozen.B * frozen.C)[left].sum() * x) < EXACT


def test_removal_terms_differ_from_the_printed_ones_by_the_stated_factors():
    rng = np.random.default_rng(2)
    system, step = System(rng.normal(size=5) - 1, *rng.normal(size=(2, 5))), 0.1
    ratio = {
        m: removal_term(system, m, step) / removal_term(system, m, step, as_printed=True) for m in ("zoh", "bilinear")
    }
    np.testing.assert_allclose(ratio["bilinear"], (1 - step * system.A / 2) ** -2, rtol=1e-12)
    np.testing.assert_allclose(ratio["zoh"], np.exp(step * system.A) / (step * system.A), rtol=1e-12)


def test_printed_counts_miss_states_that_act():
    """A state with A = 0 (discrete) or A = -2 / step (bilinear) adds nothing to the printed count, yet it acts."""
    target, x = System(*np.full((3, 1), 0.5)), np.ones(6)
    for method, silent, step in (("discrete", 0.0, 1.0), ("bilinear", -20.0, 0.1)):
        frozen = System(np.array([0.5, silent]), np.array([0.5, 1.0]), np.array([0.5, 1.0]))
        printed = count_parameters(frozen, target, removal_term(frozen, method, step, as_printed=True))
        assert (printed.total, count_parameters(frozen, target).total) == (0, 1)
        pair = (frozen, target) if method == "discrete" else [discretized(s, step, method) for s in (frozen, target)]
        assert largest(pair[0].run(x)[0] - pair[1].run(x)[0]) > 0.04


def sums_of(products, at_least):
    """Sums of so many or more of some numbers."""
    sizes = range(at_least, len(products) + 1)
    return {round(sum(chosen), 9) for size in sizes for chosen in combinations(products.tolist(), size)}


def count_is_least(frozen: System, target: System) -> bool:
    """The condition of T-21."""
    distinct = all(len(set(system.A.tolist())) == len(system.A) for system in (frozen, target))
    products, wanted = frozen.B * frozen.C, set((target.B * target.C).round(9).tolist())
    return distinct and 0.0 not in sums_of(products, 1) and not wanted & sums_of(products, 2)


@pytest.mark.parametrize("seed", range(60))
def test_count_is_enough_and_under_its_condition_the_least(seed):
    """T-21, by a search for counterexamples among few values, where transitions repeat and sums cancel."""
    rng = np.random.default_rng(seed)
    H = int(rng.integers(1, 4))
    H_target = int(rng.integers(1, H + 1))
    values = ([0.2, 0.5, 0.9], [1.0], [-0.6, 0.25, 0.6, 0.75, 1.0])
    frozen, target = (System(*(rng.choice(of, size) for of in values)) for size in (H, H_target))
    counted, fewest = count_parameters(frozen, target).total, fewest_changes(frozen, target)
    assert fewest <= counted
    if count_is_least(frozen, target):
        assert fewest == counted


def test_the_search_above_meets_both_cases():
    """So that it can fail: pairs that meet the condition, and pairs for which the count is not the least."""
    repeated = System(np.array([0.5, 0.5]), np.ones(2), np.array([0.25, 0.75]))
    distinct = System(np.array([0.5, 0.9]), np.ones(2), np.array([0.25, 0.75]))
    cancelling = System(np.array([0.5, 0.3, 0.9]), np.ones(3), np.array([1.0, 0.6, -0.6]))
    one = System(np.array([0.5]), np.ones(1), np.ones(1))
    for frozen, least in ((repeated, 0), (distinct, 1), (cancelling, 1)):
        assert (fewest_changes(frozen, one), count_parameters(frozen, one).total) == (least, 2)
        assert not count_is_least(frozen, one)
    rng = np.random.default_rng(0)
    frozen, target = System.random(rng, 4), System.random(rng, 2)
    assert count_is_least(frozen, target) and fewest_changes(frozen, target) == 4 + 2


def test_one_change_of_a_transition_can_do_what_two_are_counted_for():
    """The second example of T-21, run: the outputs are equal after A_2 = A_1."""
    x = np.random.default_rng(0).normal(size=20)
    moved = System(np.array([0.5, 0.5]), np.ones(2), np.array([0.25, 0.75]))
    assert largest(moved.run(x)[0] - System(np.array([0.5]), np.ones(1), np.ones(1)).run(x)[0]) < EXACT


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
@pytest.mark.parametrize("seed", range(10))
def test_as_many_continuous_entries_as_counted_are_enough(method, seed):
    """Lemmas 7 and 8: exactly the counted entries change, and the outputs are then the target's."""
    rng = np.random.default_rng(seed)
    frozen = System(-rng.choice([0.5, 1.0, 2.0, 3.0], 5), rng.choice([1.0, 2.0], 5), rng.choice([-1.0, 1.0, 3.0], 5))
    target = System(-rng.choice([0.5, 1.0, 4.0], 3), rng.choice([1.0, 2.0], 3), rng.choice([-1.0, 1.0], 3))
    count = count_parameters(frozen, target)
    updated = tuned(frozen, target, count)
    assert sum(int((getattr(updated, part) != getattr(frozen, part)).sum()) for part in "ABC") == count.total
    ours, theirs = (discretized(system, 0.1, method).run(np.arange(9.0))[0] for system in (updated, target))
    assert largest(ours - theirs) < EXACT
