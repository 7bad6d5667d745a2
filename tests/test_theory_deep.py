"""Lemma 9 and Theorems 4 and 10: deep S4 models made equal to shallower ones."""

from __future__ import annotations

import numpy as np
import pytest

from ssmpeft_lib.theory import deep
from ssmpeft_lib.theory.systems import largest

EXACT = 1e-11


def instance(d_model, n_layers, targets=1, seed=5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(d_model, 15))
    frozen = [deep.Layer.random(rng, d_model, 6) for _ in range(n_layers)]
    return X, frozen, [deep.Layer.random(rng, d_model, 3, residual=False) for _ in range(targets)]


SIZES = [(4, 4), (6, 3), (7, 3), (4, 1), (3, 5)]


@pytest.mark.parametrize("d_model, n_layers", SIZES)
def test_repaired_lemma_is_exact(d_model, n_layers):
    X, frozen, (target,) = instance(d_model, n_layers)
    assert largest(deep.run(deep.tune_to_layer(frozen, target), X) - deep.run([target], X)) < EXACT


@pytest.mark.parametrize("flaw", [{"last": "zero"}, {"last": "untouched"}, {"columns": False}])
@pytest.mark.parametrize("d_model, n_layers", SIZES)
def test_each_printed_flaw_breaks_it(flaw, d_model, n_layers):
    X, frozen, (target,) = instance(d_model, n_layers)
    error = largest(deep.run(deep.tune_to_layer(frozen, target, **flaw), X) - deep.run([target], X))
    # one layer has no earlier channels and no inner columns
    assert error < EXACT if n_layers == 1 else error > 0.5


def test_linear_activations_are_essential():
    X, frozen, (target,) = instance(6, 3)
    tuned, relu = deep.tune_to_layer(frozen, target), lambda z: np.maximum(z, 0)
    assert largest(deep.run(tuned, X, relu) - deep.run([target], X, relu)) > 0.5


def test_inner_layers_touch_only_what_the_lemma_says():
    _, frozen, (target,) = instance(6, 3)
    for index, (before, after) in enumerate(zip(frozen, deep.tune_to_layer(frozen, target), strict=True)):
        owned, inner = [2 * index, 2 * index + 1], index < 2
        assert set(np.nonzero((before.ssm.A != after.ssm.A).any(1))[0]) == (set(owned) if inner else set(range(6)))
        assert (before.ssm.B == after.ssm.B).all()
        if inner:
            assert set(np.nonzero((before.W != after.W).any(0))[0]) == set(owned)


@pytest.mark.parametrize("d_model, n_layers, targets", [(6, 6, 2), (10, 5, 3), (8, 8, 2)])
def test_repaired_theorem_is_exact_and_the_printed_rank_is_not_enough(d_model, n_layers, targets):
    X, frozen, target = instance(d_model, n_layers, targets)
    expected = deep.run(target, X)
    rank = deep.printed_bounds(d_model, n_layers, targets)["rank"]
    errors = [largest(deep.run(deep.tune_to_stack(frozen, target, r), X) - expected) for r in (None, rank)]
    assert errors[0] < EXACT and errors[1] > 0.5


@pytest.mark.parametrize(
    "size, printed, needed",
    [((10, 5, 3), 6, 10), ((64, 7, 2), 19, 22), ((64, 17, 2), 8, 8), ((12, 5, 2), 5, 6), ((64, 4, 1), 16, 16)],
)
def test_channel_bounds(size, printed, needed):
    assert deep.printed_bounds(*size)["channels"] == printed
    assert deep.construction_bounds(*size)["channels"] == needed


def test_printed_channels_are_never_too_many_and_right_where_the_target_divides():
    sizes = [(D, L, L_target) for D in (3, 10, 64) for L in range(1, 20) for L_target in range(1, L + 1)]
    pairs = {
        size: (deep.printed_bounds(*size)["channels"], deep.construction_bounds(*size)["channels"]) for size in sizes
    }
    assert all(printed <= needed for printed, needed in pairs.values())
    assert all(printed == needed for (_, L, L_target), (printed, needed) in pairs.items() if L % L_target == 0)
    undivided = [printed < needed for (_, L, L_target), (printed, needed) in pairs.items() if L % L_target]
    assert any(undivided) and not all(undivided)  # "may be too small", not "is"


@pytest.mark.parametrize("D", [2, 3, 4])
def test_targets_of_two_layers_have_the_stated_degrees_of_freedom(D):
    """The rank of the derivative of the outputs' kernel by both W, the S4 being fixed with one state a channel."""
    rng = np.random.default_rng(D)
    lags, (first, second) = np.arange(8), rng.permutation(np.linspace(-0.9, 0.9, 2 * D)).reshape(2, D)

    def kernel(W):
        # of output i by input j: sum over d of W_2[i, d] W_1[d, j] times second_d^n convolved with first_j^n
        responses = [[np.convolve(s**lags, f**lags)[:8] for f in first] for s in second]
        return np.einsum("id,dj,djn->ijn", W[D * D :].reshape(D, D), W[: D * D].reshape(D, D), responses).ravel()

    W, step = rng.normal(size=2 * D * D), 1e-4
    slopes = [(kernel(W + step * unit) - kernel(W - step * unit)) / (2 * step) for unit in np.eye(2 * D * D)]
    assert np.linalg.matrix_rank(np.array(slopes), tol=1e-6) == deep.degrees_of_freedom(D, 3, 1)[1]


def test_a_theorem_for_few_channels_is_not_refuted_by_counting():
    """So that the count is no foregone conclusion: it decides from about thirty channels on."""
    short = {D: deep.degrees_of_freedom(D, 3, 1) for D in (4, 16, 64)}
    assert {D: tunable < needed for D, (tunable, needed) in short.items()} == {4: False, 16: False, 64: True}


@pytest.mark.parametrize("size, printed, needed", [((64, 4, 1), 4, 16), ((64, 64, 1), 64, 1)])
def test_ranks(size, printed, needed):
    assert deep.printed_bounds(*size)["rank"] == printed
    assert deep.construction_bounds(*size)["rank"] == needed


def test_groups_cover_all_layers():
    assert deep.group_sizes(7, 2) == [3, 4]
    assert deep.printed_bounds(64, 4, 1)["group"] == 16
