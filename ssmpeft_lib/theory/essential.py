"""Lemmas 3, 7 and 8 (Secs. 5.1 and D.1): how many parameters make one S4 channel equal to another with fewer states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from .systems import System, discretize


@dataclass(frozen=True)
class Count:
    """The minimum of Lemma 3 and the permutation that reaches it.

    Attributes:
        total: number of entries to tune.
        removed, transitions, interactions: the three terms of the sum.
        kept: for each target state the frozen state that becomes it.
    """

    total: int
    removed: int
    transitions: int
    interactions: int
    kept: tuple[int, ...]


def count_parameters(frozen: System, target: System, redundant: ndarray | None = None) -> Count:
    """Lemma 3: entries of A and of B x C that must change until `frozen` equals `target`.

    The sum splits over pairs (target state, frozen state) and over frozen states that are left, so the minimum over
    all H! permutations is an assignment problem, solved exactly in polynomial time.

    Args:
        frozen: H states; target: H* <= H states; both one channel. For Lemmas 7 and 8 their A and B are the continuous ones.
        redundant: the product whose zeros mean that a state is already gone; by default B x C. The paper prints
            A x B x C (`removal_term`), which overlooks that a state with A = 0 still acts at lag 0.
    """
    H, H_target = len(frozen.A), len(target.A)
    gone = frozen.B * frozen.C if redundant is None else redundant
    transitions = (frozen.A != target.A[:, None]).astype(int)
    interactions = (frozen.B * frozen.C != (target.B * target.C)[:, None]).astype(int)
    removed = np.broadcast_to((gone != 0).astype(int), (H - H_target, H))
    rows, columns = linear_sum_assignment(np.vstack([transitions + interactions, removed]))
    kept, left = columns[:H_target], columns[H_target:]
    index = np.arange(H_target)
    terms = int((gone[left] != 0).sum()), int(transitions[index, kept].sum()), int(interactions[index, kept].sum())
    return Count(sum(terms), *terms, tuple(int(h) for h in kept))


def removal_term(system: System, method: str = "discrete", step: float = 1.0, as_printed: bool = False) -> ndarray:
    """The first term of Lemma 3 (`discrete`), 7 (`bilinear`) or 8 (`zoh`) before its zeros are counted, [H].

    Printed: A B C; step (1 + step A / 2) B C; step (exp(step A) - 1) B C. The exact product A_bar B_bar C has another
    factor: (1 - step A / 2)^-2 for bilinear, which has no zero, and exp(step A) / (step A) for ZOH, which cancels the zero
    that the printed term has at A = 0.
    """
    A, BC = system.A, system.B * system.C
    if method == "discrete":
        return A * BC
    if as_printed:
        return step * (1 + step * A / 2 if method == "bilinear" else np.expm1(step * A)) * BC
    A_bar, B_bar = discretize(A, system.B, step, method)
    return A_bar * B_bar * system.C


def tuned(frozen: System, target: System, count: Count, remove: str = "C") -> System:
    """The updated model of Lemma 3: kept states take the target's A and product B C, the others lose `remove` (A, B or C)."""
    parts = {"A": frozen.A.copy(), "B": frozen.B.copy(), "C": frozen.C.copy()}
    kept = list(count.kept)
    parts[remove][np.setdiff1d(np.arange(len(frozen.A)), kept)] = 0.0
    parts["A"][kept] = target.A
    parts["C"][kept] = target.B * target.C / frozen.B[kept]
    return System(**parts)


def discretized(system: System, step: float, method: str) -> System:
    """The discrete system of a continuous one."""
    return System(*discretize(system.A, system.B, step, method), system.C)
