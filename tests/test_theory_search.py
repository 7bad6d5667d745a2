"""Searches for counterexamples to the repairs of the errata, among values that repeat, are zero, or cancel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ssmpeft_lib.theory import deep, essential, prefix, projections
from ssmpeft_lib.theory.systems import System, discretize, largest

EXACT = 1e-9
FEW = (-0.5, 0.0, 0.5, 0.8, 1.0)
"""Values that parameters are drawn from, so that they repeat and cancel."""

many = pytest.mark.parametrize("seed", range(40))


def drawn(rng: np.random.Generator, *shape: int, of: tuple[float, ...] = FEW) -> System:
    """A system whose entries are a few values."""
    return System(*(rng.choice(of, shape) for _ in range(3)))


@many
def test_state_that_replaces_a_prefix(seed):
    """T-01 and T-02: whatever the entries and the start."""
    rng = np.random.default_rng(seed)
    H, M = rng.integers(1, 5, size=2)
    system, p, x, start = drawn(rng, H), rng.normal(size=M), rng.normal(size=6), rng.choice(FEW, H)
    state = prefix.initial_state_of_prefix(system, p, start)
    assert largest(state - system.run(p, start)[1]) < EXACT
    assert largest(system.run(x, state)[0] - system.run(np.concatenate([p, x]), start)[0][M:]) < EXACT


@many
def test_states_need_as_many_vectors_as_the_paper_says(seed):
    """Proposition 5 about states: all are reached if and only if a differ, no b is zero and M >= H."""
    rng = np.random.default_rng(seed)
    H, M = rng.integers(1, 4, size=2)
    system = drawn(rng, H)
    assumed = len(set(system.A.tolist())) == H and (system.B != 0).all()
    assert (np.linalg.matrix_rank(prefix.reachability(system, M)) == H) == (assumed and M >= H)


@many
def test_short_sequences_need_as_many_vectors_as_tokens(seed):
    """T-07: with N < H, fewer than N do not reach all outputs, and N do for almost all parameters."""
    rng = np.random.default_rng(seed)
    H = int(rng.integers(2, 5))
    N = int(rng.integers(1, H))
    system = System.random(rng, H)
    response = prefix.observability(system, N) @ prefix.reachability(system, N)
    assert np.linalg.matrix_rank(response, tol=1e-12) == N
    assert np.linalg.matrix_rank(response[:, 1:]) < N


@many
def test_determinant_of_the_repaired_matrix(seed):
    """T-54, zeros and repeats included, which make it zero."""
    rng = np.random.default_rng(seed)
    H = int(rng.integers(1, 6))
    system = drawn(rng, H)
    numerical = np.linalg.det(prefix.reachability(system, H))
    assert numerical == pytest.approx(prefix.vandermonde_determinant(system.A, system.B), abs=1e-12)


@many
def test_input_projection_covers_whenever_the_rank_is_full(seed):
    """T-12 and T-14: with repeated and zero entries, singular W_in included."""
    rng = np.random.default_rng(seed)
    D = int(rng.integers(4, 8))
    model = projections.S6.random(rng, D, 1, 2)
    model = replace(model, x_proj=rng.choice(FEW, (4, D)), in_proj=rng.choice(FEW, (D, D)))
    change = rng.choice(FEW, (4, 1)) @ rng.choice(FEW, (1, D))
    if np.linalg.matrix_rank(model.x_proj) < 4:
        with pytest.raises(ValueError, match="not of full row rank"):
            projections.covering_in_proj(model, model.x_proj + change)
        return
    covered = projections.covering_in_proj(model, model.x_proj + change)
    assert largest(model.x_proj @ covered - (model.x_proj + change) @ model.in_proj) < EXACT
    assert np.linalg.matrix_rank(covered - model.in_proj, tol=1e-9) <= np.linalg.matrix_rank(change)


@many
def test_removing_through_B_or_C_is_exact_and_through_A_up_to_lag_zero(seed):
    """T-20, where transitions repeat and products cancel; B is not zero, so that C can make any product."""
    rng = np.random.default_rng(seed)
    H = int(rng.integers(1, 5))
    H_target = int(rng.integers(1, H + 1))
    frozen, target = (replace(drawn(rng, size), B=rng.choice([-1.0, 0.5], size)) for size in (H, H_target))
    count, x = essential.count_parameters(frozen, target), rng.normal(size=8)
    left = np.setdiff1d(np.arange(H), count.kept)
    for part in "BC":
        assert largest(essential.tuned(frozen, target, count, part).run(x)[0] - target.run(x)[0]) < EXACT
    error = essential.tuned(frozen, target, count, "A").run(x)[0] - target.run(x)[0]
    assert largest(error - (frozen.B * frozen.C)[left].sum() * x) < EXACT


@many
@pytest.mark.parametrize("method", ["zoh", "bilinear"])
def test_another_step_size_is_made_up_for(seed, method):
    """T-25: A = step* A* / step, and C rescaled so that B_bar C agrees."""
    rng = np.random.default_rng(seed)
    step, target_step = rng.choice([0.05, 0.1, 0.7], 2)
    target, x = replace(drawn(rng, 3), A=-rng.choice([0.5, 0.5, 3.0], 3)), rng.normal(size=8)
    B = rng.choice([-1.0, 2.0], 3)
    A = target_step * target.A / step
    C = discretize(target.A, target.B, target_step, method)[1] * target.C / discretize(A, B, step, method)[1]
    ours = essential.discretized(System(A, B, C), step, method)
    assert largest(ours.run(x)[0] - essential.discretized(target, target_step, method).run(x)[0]) < EXACT


@many
def test_repaired_construction(seed):
    """T-27, T-29, T-35, T-36 and T-37: exact for all sizes, and within the bounds that are given for it.

    Targets have few values, so that transitions repeat and products are zero; H* = H and L* = L are included.
    """
    rng = np.random.default_rng(seed)
    D, L = rng.integers(1, 6, size=2)
    L_target, H = int(rng.integers(1, L + 1)), int(rng.integers(1, 4))
    H_target = int(rng.integers(1, H + 1))
    frozen = [deep.Layer.random(rng, D, H) for _ in range(L)]
    target = [
        replace(deep.Layer.random(rng, D, H_target, residual=False), ssm=drawn(rng, D, H_target))
        for _ in range(L_target)
    ]
    tuned, X = deep.tune_to_stack(frozen, target), rng.normal(size=(D, 7))
    assert largest(deep.run(tuned, X) - deep.run(target, X)) < EXACT
    bounds = deep.construction_bounds(D, L, L_target)
    ends = set(np.cumsum(deep.group_sizes(L, L_target)) - 1)
    for index, (before, after) in enumerate(zip(frozen, tuned, strict=True)):
        acting = (after.ssm.C != 0).any(axis=1)
        if index not in ends:
            assert acting.sum() <= bounds["channels"]
            assert np.linalg.matrix_rank(after.W - before.W, tol=1e-9) <= bounds["rank"]
