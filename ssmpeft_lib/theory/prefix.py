"""Propositions 1 and 5 (Secs. 4.1 and C.3): a prefix acts on an S4 exactly as an initial state does.

One channel; the channels of an S4 do not see each other.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from .systems import System, largest


def initial_state_of_prefix(
    system: System,
    prefix: ndarray,
    initial_state: ndarray | float = 0.0,
    as_printed: bool = False,
) -> ndarray:
    """Statement 1: the initial state that replaces a prefix p, for every later input.

    h*_0 = A^M h_0 + sum over m = 1 .. M of A^(M-m) B p_m. The paper prints the sum alone
    (`as_printed`), which is right only for h_0 = 0.
    """
    driven = reachability(system, len(prefix)) @ prefix
    return driven if as_printed else driven + system.A ** len(prefix) * initial_state


def prefix_of_initial_state(
    system: System,
    target_state: ndarray,
    length: int,
    initial_state: ndarray | float = 0.0,
) -> ndarray:
    """Statement 2: the least-norm prefix that brings the state closest to `target_state`.

    It gets there for every target state if and only if `length` >= H, provided that the
    entries of A differ and none of B is zero.
    """
    missing = target_state - system.A**length * initial_state
    return np.linalg.lstsq(reachability(system, length), missing, rcond=None)[0]


def reachability(system: System, length: int, as_printed: bool = False) -> ndarray:
    """K = [A^(M-1) B, ..., A B, B], [H, M]: a prefix adds K p to the state.

    Eqs. (5) to (7) start at A^M B, one column too many (`as_printed`).
    """
    powers = np.arange(length if as_printed else length - 1, -1, -1)
    return system.A[:, None] ** powers * system.B[:, None]


def observability(system: System, seq_len: int) -> ndarray:
    """[C A; C A^2; ...; C A^N], [N, H]: times h_0, what an initial state adds to the N outputs."""
    return system.C * system.A ** np.arange(1, seq_len + 1)[:, None]


def vandermonde_determinant(A: ndarray, B: ndarray) -> float:
    """Determinant of the square K, eq. (7), with the range 1 <= i < j <= H.

    The printed range 0 <= i has an a_0 that does not exist.
    """
    H = len(A)
    i, j = np.triu_indices(H, k=1)
    return (-1) ** (H * (H - 1) // 2) * np.prod(A[j] - A[i]) * np.prod(B)


def output_residual(system: System, target_state: ndarray, length: int, seq_len: int) -> float:
    """Largest output error of the best prefix of that length against starting in `target_state`, over N outputs.

    Statement 2 speaks of outputs, its proof of states. States that agree give equal outputs; the converse needs
    observability: every c_k a_k nonzero, A distinct and N >= H. `length_for_outputs` has what outputs need.
    """
    seen, K = observability(system, seq_len), reachability(system, length)
    response = seen @ K
    # a sum that cancels is zero, not a rounding error that a huge prefix could build on
    response[np.abs(response) <= 1e-14 * (np.abs(seen) @ np.abs(K))] = 0.0
    wanted = seen @ target_state
    return largest(response @ np.linalg.lstsq(response, wanted, rcond=None)[0] - wanted)


def length_for_outputs(system: System) -> int | None:
    """The shortest prefixes after which outputs, however long, can be those of every initial state; None if none are.

    An initial state h adds, to output n, for each value a among the transitions a^n times the sum of c_k h_k over the
    states with that value. A prefix adds a^n q(a) times the sum of c_k b_k, where q is a polynomial with its M numbers
    as coefficients. So a value that is not zero and that C reads needs a sum of c_k b_k that is not zero, and there
    must be at least as many numbers as such values.
    """
    seen = (system.A != 0) & (system.C != 0)
    values = np.unique(system.A[seen])
    sums = [(system.C * system.B)[system.A == value].sum() for value in values]
    return None if np.isclose(sums, 0).any() else len(values)


def condition_number(A: ndarray) -> float:
    """2-norm condition number of the square Vandermonde matrix of A: how much rounding is amplified on the way
    from a state to its prefix."""
    return float(np.linalg.cond(A[:, None] ** np.arange(len(A))))
