"""Lemmas 2 and 6: what tuning W_in covers, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

from ssmpeft_lib.theory import projections
from ssmpeft_lib.theory.checks.projections import first_outputs
from ssmpeft_lib.theory.systems import largest

EXACT = 1e-11


def model_and_tuned(d_inner=24, rank=2, seed=3):
    rng = np.random.default_rng(seed)
    model = projections.S6.random(rng, d_inner, 4, 3)
    return rng, model, model.x_proj + rng.normal(size=(11, rank)) @ rng.normal(size=(rank, d_inner)) / d_inner


@pytest.mark.parametrize("free", ["zero", "frozen"])
@pytest.mark.parametrize("d_inner", [11, 12, 24])
def test_parameters_become_equal(free, d_inner):
    rng, model, tuned = model_and_tuned(d_inner)
    covered = replace(model, in_proj=projections.covering_in_proj(model, tuned, free))
    X = rng.normal(size=(d_inner, 12))
    for ours, wanted in zip(covered.parameters(X), replace(model, x_proj=tuned).parameters(X), strict=True):
        assert largest(ours - wanted) < 1e-9


def test_first_outputs_are_those_of_the_recurrence():
    _, model, _ = model_and_tuned()
    X = np.random.default_rng(0).normal(size=(24, 5))
    for n in range(5):
        assert largest(first_outputs(model, X[:, n, None]) - model.run(X[:, n, None])[0]) < EXACT
    assert largest(first_outputs(model, X)[:, 2:3] - model.run(X[:, 2:3])[0]) < EXACT


def test_what_another_input_projection_can_reach():
    """T-51: scaling all of x_proj as W_in would is covered; a search that starts at the frozen W_in finds it."""
    rng, model, _ = model_and_tuned(d_inner=6)
    model = projections.S6.random(rng, 6, 2, 1)
    scale = np.repeat([1.2**2, 1.2, 1.2], [2, 2, 1])[:, None]  # W_B by m^2, W_C and the step size by m
    X, target = rng.normal(size=(6, 7)), replace(model, x_proj=scale * model.x_proj)
    covered = replace(model, in_proj=1.2 * model.in_proj)
    assert largest(covered.run(X)[0] - target.run(X)[0]) < 1e-9
    found = least_squares(
        lambda W: (first_outputs(replace(model, in_proj=W.reshape(6, 6)), X) - first_outputs(target, X)).ravel(),
        model.in_proj.ravel(),
        max_nfev=60,
    )
    assert largest(found.fun) < 1e-6


def test_outputs_do_not():
    rng, model, tuned = model_and_tuned()
    covered = replace(model, in_proj=projections.covering_in_proj(model, tuned))
    X = rng.normal(size=(24, 12))
    wanted = replace(model, x_proj=tuned).run(X)[0]
    assert largest(covered.run(X)[0] - wanted) > 0.05 * largest(wanted)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_the_repaired_update_has_the_rank_of_the_update_it_covers(rank):
    _, model, tuned = model_and_tuned(rank=rank)
    change = projections.covering_in_proj(model, tuned) - model.in_proj
    assert np.linalg.matrix_rank(change, tol=1e-9) == rank
    loose = projections.covering_in_proj(model, tuned, free="zero") - model.in_proj
    assert np.linalg.matrix_rank(loose, tol=1e-9) > rank


def test_too_few_channels_are_refused_and_have_no_exact_solution():
    _, model, tuned = model_and_tuned(d_inner=10)
    with pytest.raises(ValueError, match="not of full row rank"):
        projections.covering_in_proj(model, tuned)
    closest = projections.closest_in_proj(model, tuned)
    assert largest(model.x_proj @ closest - tuned @ model.in_proj) > 1e-2


def test_closest_is_the_covering_one_where_that_exists():
    _, model, tuned = model_and_tuned()
    for in_proj in (projections.covering_in_proj(model, tuned), projections.closest_in_proj(model, tuned)):
        assert largest(model.x_proj @ in_proj - tuned @ model.in_proj) < EXACT
