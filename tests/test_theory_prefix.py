"""Propositions 1 and 5: prefixes and initial states, both ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssmpeft_lib.mixers.s4d import S4DConfig, S4DKernel
from ssmpeft_lib.theory import prefix
from ssmpeft_lib.theory.systems import System, convolve, largest

EXACT = 1e-12


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_recurrence_is_the_convolution(rng):
    system, x = System.random(rng, 5), rng.normal(size=30)
    assert largest(system.run(x)[0] - convolve(x, system.kernel(30))) < EXACT


@pytest.mark.parametrize("length", [1, 3, 4, 9])
def test_every_prefix_is_an_initial_state(rng, length):
    for _ in range(20):
        system, p, x = System.random(rng, 4), rng.normal(size=length), rng.normal(size=10)
        start = rng.normal(size=4)
        with_prefix = system.run(np.concatenate([p, x]), start)[0][length:]
        state = prefix.initial_state_of_prefix(system, p, start)
        assert largest(system.run(x, state)[0] - with_prefix) < EXACT


def test_printed_initial_state_needs_a_zero_start(rng):
    system, p, start = System.random(rng, 4), rng.normal(size=6), rng.normal(size=4)
    difference = prefix.initial_state_of_prefix(system, p, start) - prefix.initial_state_of_prefix(
        system, p, start, as_printed=True
    )
    assert largest(difference - system.A**6 * start) < EXACT
    assert largest(difference) > 1e-3


@pytest.mark.parametrize("states", [1, 2, 3, 4])
def test_every_initial_state_is_a_prefix_from_length_H_on(rng, states):
    A = np.linspace(-0.8, 0.9, states)
    for length in (states, states + 1, 2 * states):
        system = System(A, *rng.normal(size=(2, states)))
        target, start = rng.normal(size=(2, states))
        p = prefix.prefix_of_initial_state(system, target, length, start)
        assert len(p) == length
        assert largest(system.run(p, start)[1] - target) < 1e-9


def test_no_shorter_prefix_reaches_every_state(rng):
    system = System(np.linspace(-0.8, 0.9, 4), *rng.normal(size=(2, 4)))
    target = rng.normal(size=4)
    p = prefix.prefix_of_initial_state(system, target, 3)
    assert largest(system.run(p)[1] - target) > 1e-2


@pytest.mark.parametrize("states", [1, 2, 3, 4, 5, 6])
def test_determinant_has_the_printed_sign_and_value(rng, states):
    system = System.random(rng, states)
    by_formula = prefix.vandermonde_determinant(system.A, system.B)
    np.testing.assert_allclose(np.linalg.det(prefix.reachability(system, states)), by_formula, rtol=1e-6)


def test_span_as_printed_has_one_dimension_too_many(rng):
    system = System.random(rng, 4)
    rank = {printed: np.linalg.matrix_rank(prefix.reachability(system, 3, printed)) for printed in (True, False)}
    assert rank == {True: 4, False: 3}


@pytest.mark.parametrize(
    "length, seq_len, silent, reached",
    [(4, 10, False, True), (3, 10, False, False), (3, 3, False, True), (2, 2, False, True), (3, 10, True, True)],
)
def test_outputs_can_be_matched_when(rng, length, seq_len, silent, reached):
    """Counterexamples to "only if": what counts for outputs is min(H, N), and the states that C sees."""
    B, C = rng.normal(size=(2, 4))
    system = System(np.array([-0.8, -0.3, 0.4, 0.9]), B, C * [1, 1, 1, not silent])
    residual = prefix.output_residual(system, rng.normal(size=4), length, seq_len)
    assert residual < 1e-9 if reached else residual > 1e-3


@pytest.mark.parametrize("seed", range(150))
def test_what_outputs_need_of_a_prefix(seed):
    """T-08, by a search for counterexamples among few values: repeats, zeros and sums that cancel are common."""
    rng = np.random.default_rng(seed)
    H = int(rng.integers(1, 5))
    choices = ([-0.5, 0.0, 0.5, 0.8], [-1.0, 0.0, 1.0, 2.0], [-1.0, 0.0, 1.0])
    system = System(*(rng.choice(values, H) for values in choices))
    needed, seen = prefix.length_for_outputs(system), prefix.observability(system, 10)
    for length in range(1, 7):
        left = max(prefix.output_residual(system, state, length, 10) for state in np.eye(H))
        assert (left < 1e-9) == (needed is not None and length >= needed), (system, length, left)
    assert needed is None or needed == np.linalg.matrix_rank(seen)


@pytest.mark.parametrize(
    "A, B, C, needed",
    [
        ([0.5, 0.5, -0.3, 0.8], [1, 1, 0.7, 1.3], [1, -1, 0.4, 0.9], None),  # distinct b, nonzero: no length is enough
        ([0.5, 0.5, -0.3, 0.8], [1, 0, 0.7, 1.3], [1, 1, 0.4, 0.9], 3),  # a zero b, made up for
        ([0.5, 0.2], [0, 1], [1, 1], None),
        ([0.5, 0.2], [0, 1], [0, 1], 1),  # what C does not read need not be reached
        ([0.0, 0.2], [0, 1], [1, 1], 1),  # nor what is forgotten at once
    ],
)
def test_length_for_outputs_by_hand(A, B, C, needed):
    assert prefix.length_for_outputs(System(*map(np.array, (A, B, C)))) == needed


def test_conditioning_of_sixteen_states():
    assert prefix.condition_number(np.linspace(0.2, 0.95, 16)) == pytest.approx(5.2e14, rel=0.1)


@pytest.mark.parametrize("domain", ["real", "complex"])
def test_prefix_is_an_initial_state_of_the_layer_too(domain):
    torch.manual_seed(0)
    kernel = S4DKernel(S4DConfig(3, 4, domain)).double()
    p, x = torch.randn(1, 6, 3, dtype=torch.float64), torch.randn(1, 10, 3, dtype=torch.float64)
    state = kernel.new_state(1)
    for n in range(6):
        kernel.step(p[:, n], state)
    with_prefix = kernel(torch.cat([p, x], dim=1))[:, 6:]
    torch.testing.assert_close(kernel(x, state), with_prefix, rtol=1e-10, atol=1e-10)
