"""Lemmas 3, 7 and 8 (Secs. 5.1 and D.1): how many parameters make one S4 channel equal to another with fewer states."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import isclose

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
    """Lemma 3: entries of A and of B C that must change until `frozen` equals `target`.

    The sum splits over pairs of a target and a frozen state and over the frozen states that
    are left, so that the minimum over all H! permutations is an assignment problem.

    Args:
        frozen, target: one channel each, with H and H* <= H states. For Lemmas 7 and 8
            their A and B are the continuous ones.
        redundant: the product whose zeros mean that a state is gone already, by default
            B C. The paper has A B C (`removal_term`), which overlooks that a state with
            A = 0 still acts at lag 0.
    Returns:
        The count of the lemma: so many changes are enough. `fewest_changes` may be less.
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


def fewest_changes(frozen: System, target: System) -> int:
    """The true minimum: how few entries of A and of B C must change until the outputs are equal for all inputs.

    Outputs depend on nothing but the sum of b_k c_k over the states that share a transition, for each value that a
    transition takes. So every way to move states to a transition of either model is tried, and where a sum is not that
    of the target one product more has to change. There are (H + H*)^H ways: this is for few states.
    """
    values = sorted({*frozen.A.tolist(), *target.A.tolist()})
    wanted = [float((target.B * target.C)[target.A == value].sum()) for value in values]
    fewest = 2 * len(frozen.A)
    for moved in product(values, repeat=len(frozen.A)):
        members = [np.array(moved) == value for value in values]
        sums = [float((frozen.B * frozen.C)[states].sum()) for states in members]
        wrong = [not isclose(a, b, abs_tol=1e-12) for a, b in zip(sums, wanted, strict=True)]
        if all(states.any() for states, differs in zip(members, wrong, strict=True) if differs):
            fewest = min(fewest, int((np.array(moved) != frozen.A).sum()) + sum(wrong))
    return fewest


def removal_term(system: System, method: str = "discrete", step: float = 1.0, as_printed: bool = False) -> ndarray:
    """The first term of Lemma 3 (`discrete`), 7 (`bilinear`) or 8 (`zoh`), [H].

    Printed: A B C; step (1 + step A / 2) B C; step (exp(step A) - 1) B C. The exact product
    A_bar B_bar C has another factor: (1 - step A / 2)^-2 for bilinear, which has no zero,
    and exp(step A) / (step A) for ZOH, which cancels the zero that is printed at A = 0.
    """
    A, BC = system.A, system.B * system.C
    if method == "discrete":
        return A * BC
    if as_printed:
        return step * (1 + step * A / 2 if method == "bilinear" else np.expm1(step * A)) * BC
    A_bar, B_bar = discretize(A, system.B, step, method)
    return A_bar * B_bar * system.C


def tuned(frozen: System, target: System, count: Count, remove: str = "C") -> System:
    """The updated model: kept states take the target's A and B C, the others lose `remove`."""
    parts = {"A": frozen.A.copy(), "B": frozen.B.copy(), "C": frozen.C.copy()}
    kept = list(count.kept)
    parts[remove][np.setdiff1d(np.arange(len(frozen.A)), kept)] = 0.0
    parts["A"][kept] = target.A
    parts["C"][kept] = target.B * target.C / frozen.B[kept]
    return System(**parts)


def discretized(system: System, step: float, method: str) -> System:
    """The discrete system of a continuous one."""
    return System(*discretize(system.A, system.B, step, method), system.C)
