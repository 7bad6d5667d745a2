"""Checks of Propositions 1 and 5."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import prefix, projections
from ..systems import System, largest
from ._shared import Numbers, check, draws

SPECTRUM = np.array([-0.8, -0.3, 0.4, 0.9])
"""Four distinct transitions, for the checks that the paper's claim about M and H needs."""


@check
def missing_initial_state() -> Numbers:
    """Proposition 5 (Sec. C.3, statement 1): the initial state as printed, without A^M h_0, and with it."""
    rng = draws()
    system, p, x, start = System.random(rng, 4), rng.normal(size=6), rng.normal(size=10), rng.normal(size=4)

    def error(start: np.ndarray | float, as_printed: bool) -> float:
        with_prefix = system.run(np.concatenate([p, x]), start)[0][6:]
        return largest(with_prefix - system.run(x, prefix.initial_state_of_prefix(system, p, start, as_printed))[0])

    return {"printed": error(start, True), "printed, zero start": error(0.0, True), "repaired": error(start, False)}


@check
def state_index() -> Numbers:
    """Proposition 5 (Sec. C.3, statement 1): the state that replaces a prefix is h_M, not h_(M+1)."""
    rng = draws()
    system, p, x = System.random(rng, 4), rng.normal(size=6), rng.normal(size=1)
    wanted = prefix.initial_state_of_prefix(system, p)
    states = [system.run(np.concatenate([p, x[:extra]]))[1] for extra in (0, 1)]
    return {"printed": largest(states[1] - wanted), "repaired": largest(states[0] - wanted)}


@check
def span_index() -> Numbers:
    """Eqs. (5) to (7): rank of the printed span, which starts at A^M B, and of the one from A^(M-1) B, for M < H."""
    system = System.random(draws(), 4)
    ranks = [int(np.linalg.matrix_rank(prefix.reachability(system, 3, as_printed))) for as_printed in (True, False)]
    return {"H": 4, "M": 3, "rank as printed": ranks[0], "rank repaired": ranks[1]}


def spectrum_system(rng: np.random.Generator) -> System:
    """A channel with the transitions of `SPECTRUM`, and random B and C."""
    return System(SPECTRUM, *rng.normal(size=(2, 4)))


@check
def outputs_against_states() -> Numbers:
    """Proposition 5, "only if": the output error of prefixes shorter than H, also for N < H or a silent state."""
    rng = draws()
    system, state = spectrum_system(rng), rng.normal(size=4)
    silent = replace(system, C=system.C * [1, 1, 1, 0])
    residual = prefix.output_residual
    return {
        "M=3, N=10": residual(system, state, 3, 10),
        "M=3, N=3": residual(system, state, 3, 3),
        "M=2, N=2": residual(system, state, 2, 2),
        "M=3, N=10, one c zero": residual(silent, state, 3, 10),
    }


@check
def repeated_transition() -> Numbers:
    """Proposition 5, assumptions: output errors where a transition occurs twice, or a b_k is zero, or both.

    What counts is the sum of b_k c_k over the states of one transition: it must not be zero.
    """
    rng = draws()
    system, state = spectrum_system(rng), rng.normal(size=4)
    repeated = replace(system, A=SPECTRUM[[0, 1, 2, 2]])
    unreached = [replace(one, B=one.B * [1, 1, 1, 0]) for one in (system, repeated)]
    cancels = System(np.array([0.5, 0.5, -0.3, 0.8]), np.array([1, 1, 0.7, 1.3]), np.array([1, -1, 0.4, 0.9]))
    residual = prefix.output_residual
    return {
        "repeated a, M=4": residual(repeated, state, 4, 10),
        "one b zero, M=8": residual(unreached[0], state, 8, 10),
        "one b zero, its a repeated, M=4": residual(unreached[1], state, 4, 10),
        **{f"sum that cancels, M={M}": residual(cancels, np.eye(4)[0], M, 10) for M in (4, 8, 50)},
    }


@check
def square_determinant() -> Numbers:
    """Eq. (6): the size of the matrix whose determinant it takes for M = H = 4, and that of the repaired one."""
    system = System.random(draws(), 4)
    as_printed, repaired = (prefix.reachability(system, 4, printed) for printed in (True, False))
    formula = prefix.vandermonde_determinant(system.A, system.B)
    return {
        "rows": as_printed.shape[0],
        "columns as printed": as_printed.shape[1],
        "columns repaired": repaired.shape[1],
        "repaired": float(np.linalg.det(repaired) - formula),
    }


@check
def conditioning() -> Numbers:
    """Eq. (7): condition number of the Vandermonde matrix for 4, 8 and 16 states."""
    return {f"H={H}": prefix.condition_number(np.linspace(0.2, 0.95, H)) for H in (4, 8, 16)}


@check
def convolution_before_the_scan() -> Numbers:
    """An S4 behind a causal convolution of width 4, as in a Mamba block; the prefix also sits in the convolution."""
    rng = draws()
    taps, system, p, x = rng.normal(size=4), System.random(rng, 4), rng.normal(size=6), rng.normal(size=8)

    def conv(sequence: np.ndarray, before: np.ndarray) -> np.ndarray:
        return np.convolve(np.concatenate([before, sequence]), taps, "valid")

    through = conv(np.concatenate([p, x]), np.zeros(3))
    expected, state = system.run(through)[0][6:], system.run(through[:6])[1]
    return {
        "printed": largest(system.run(conv(x, np.zeros(3)), state)[0] - expected),
        "repaired": largest(system.run(conv(x, p[-3:]), state)[0] - expected),
    }


@check
def selective_prefix() -> Numbers:
    """Proposition 1 for an S6: error of starting it in the state that it has after the prefix."""
    rng = draws()
    model, P, X = projections.S6.random(rng, 5, 3, 2), rng.normal(size=(5, 4)), rng.normal(size=(5, 7))
    expected = model.run(np.hstack([P, X]))[0][:, 4:]
    return {"repaired": largest(model.run(X, model.run(P)[1])[0] - expected)}
