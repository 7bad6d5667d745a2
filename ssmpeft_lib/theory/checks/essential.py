"""Checks of Lemmas 3, 7 and 8."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import essential
from ..systems import System, convolve, discretize, largest
from ._shared import Numbers, check, draws


@check
def exponent() -> Numbers:
    """Lemma 3's models (Secs. 5.1 and D.1): the convolution with powers m - n, as printed, and n - m."""
    system, x = System(np.array([0.5]), np.ones(1), np.ones(1)), draws().normal(size=6)
    expected = system.run(x)[0]
    errors = [largest(convolve(x, system.kernel(6, as_printed)) - expected) for as_printed in (True, False)]
    return {"printed": errors[0], "repaired": errors[1]}


def channel_pair(seed: int = 0) -> tuple[System, System]:
    """A frozen channel with 4 states and a target with 2."""
    rng = draws(seed)
    return System.random(rng, 4), System.random(rng, 2)


@check
def removed_state() -> Numbers:
    """Lemma 3, first term: states removed through A, as printed, leave C B x_n at lag 0; through B or C nothing."""
    (frozen, target), x = channel_pair(), draws(1).normal(size=20)
    count = essential.count_parameters(frozen, target)
    errors = {part: essential.tuned(frozen, target, count, part).run(x)[0] - target.run(x)[0] for part in "ABC"}
    left = np.setdiff1d(np.arange(4), count.kept)
    at_lag_zero = (frozen.C * frozen.B)[left].sum() * x
    return {
        "printed": largest(errors["A"]),
        "printed, less lag 0": largest(errors["A"] - at_lag_zero),
        "through B": largest(errors["B"]),
        "repaired": largest(errors["C"]),
    }


@check
def not_a_minimum() -> Numbers:
    """Lemma 3 as a minimum: what it counts, and how few changes do, for three pairs of channels.

    Two frozen states with one transition; two distinct ones whose products add up to the target's; two distinct ones,
    beside a third that is the target's, whose products cancel.
    """
    one = System(np.array([0.5]), np.ones(1), np.ones(1))
    frozen = {
        "repeated": System(np.array([0.5, 0.5]), np.ones(2), np.array([0.25, 0.75])),
        "distinct": System(np.array([0.5, 0.9]), np.ones(2), np.array([0.25, 0.75])),
        "cancelling": System(np.array([0.5, 0.3, 0.9]), np.ones(3), np.array([1.0, 0.6, -0.6])),
    }
    found = {}
    for name, system in frozen.items():
        found[f"{name} a, counted"] = essential.count_parameters(system, one).total
        found[f"{name} a, fewest"] = essential.fewest_changes(system, one)
    return found


@check
def bilinear_term() -> Numbers:
    """Lemma 7, first term: the exact product is the printed one times (1 - step A / 2)^-2."""
    rng = draws()
    system, step = System(rng.normal(size=5) - 1, *rng.normal(size=(2, 5))), 0.1
    exact, printed = (essential.removal_term(system, "bilinear", step, as_printed) for as_printed in (False, True))
    ratio = exact / printed
    return {"ratio": ratio.max(), "ratio less its formula": largest(ratio - (1 - step * system.A / 2) ** -2)}


@check
def integrator() -> Numbers:
    """ZOH with A near 0: the printed term says that the state is gone, yet it sums its inputs."""
    system, step = System(np.array([-1e-9]), np.ones(1), np.ones(1)), 0.1
    printed = essential.removal_term(system, "zoh", step, as_printed=True)
    outputs = essential.discretized(system, step, "zoh").run(np.ones(4))[0]
    return {"printed term": float(abs(printed[0])), "first output": outputs[0], "fourth output": outputs[3]}


@check
def bilinear_lag_zero() -> Numbers:
    """Lemma 7, first term: it is zero at A = -2 / step, where the state passes its input on at lag 0."""
    step = 0.1
    system = System(np.array([-2 / step]), np.ones(1), np.ones(1))
    printed = essential.removal_term(system, "bilinear", step, as_printed=True)
    output = essential.discretized(system, step, "bilinear").run(np.ones(4))[0]
    return {"printed term": float(abs(printed[0])), "output": output.max()}


@check
def step_sizes() -> Numbers:
    """Lemmas 7 and 8: equal A, B and C under another step size, as printed, against A and C rescaled."""
    x, system = draws().normal(size=20), System(-np.ones(1), np.ones(1), np.ones(1))
    target = essential.discretized(system, 0.1, "zoh").run(x)[0]
    same = essential.discretized(system, 0.2, "zoh").run(x)[0]
    slower = replace(system, A=0.1 * system.A / 0.2, C=0.1 * system.C / 0.2)
    rescaled = essential.discretized(slower, 0.2, "zoh").run(x)[0]
    return {"printed": largest(same - target), "repaired": largest(rescaled - target)}


@check
def continuous_count() -> Numbers:
    """Lemmas 7 and 8, one step size: entries that are counted, those that change, and the error after discretisation.

    Six frozen states and three of the target, of which one is shared.
    """
    rng, step, x = draws(), 0.1, draws(1).normal(size=25)
    frozen, target = (System(-5 * system.A, system.B, system.C) for system in map(System.random, [rng] * 2, (6, 3)))
    for mine, theirs in ((frozen.A, target.A), (frozen.B, target.B), (frozen.C, target.C)):
        mine[4] = theirs[1]
    count = essential.count_parameters(frozen, target)
    updated = essential.tuned(frozen, target, count)
    changed = [~np.isclose(getattr(updated, part), getattr(frozen, part)) for part in "ABC"]

    def error(method: str) -> float:
        ours, theirs = (essential.discretized(system, step, method).run(x)[0] for system in (updated, target))
        return largest(ours - theirs)

    return {
        "entries counted": count.total,
        "entries changed": int(np.sum(changed)),
        "error, bilinear": error("bilinear"),
        "error, ZOH": error("zoh"),
    }


@check
def far_left() -> Numbers:
    """Sec. D.1: a state under zero-order hold as A goes to minus infinity, with step, B and C one; Mamba's B_bar stays.

    A_bar is never 0, but B_bar goes to 0 with it.
    """

    def output(A_bar: float, B_bar: float) -> float:
        return largest(System(np.array([A_bar]), np.array([B_bar]), np.ones(1)).run(np.ones(4))[0])

    pairs = {A: [part[0] for part in discretize(np.array([A]), np.ones(1), 1.0, "zoh")] for A in (-50.0, -1e3, -1e6)}
    return {
        **{f"largest output at A = {A:g}": output(*pair) for A, pair in pairs.items()},
        "largest output at A = -1e+06, B_bar = step B": output(pairs[-1e6][0], 1.0),
    }


@check
def zoh_never_zero() -> Numbers:
    """Sec. D.1 and Lemma 9's identity: zero-order hold at A = -50, where A_bar is tiny but not 0."""
    A_bar, B_bar = discretize(np.array([-50.0]), np.array([50.0]), 1.0, "zoh")
    return {"A_bar at A = -50": A_bar[0], "B_bar with B = 50": B_bar[0]}


@check
def counts_differ() -> Numbers:
    """Lemmas 3 and 8: what each counts for one pair of channels with equal B C and another A, one state each."""
    frozen, target = System(-np.ones(1), np.ones(1), np.ones(1)), System(np.full(1, -2.0), np.ones(1), np.ones(1))
    discrete = [essential.discretized(system, 0.1, "zoh") for system in (frozen, target)]
    return {
        "continuous": essential.count_parameters(frozen, target).total,
        "discretised": essential.count_parameters(*discrete).total,
    }
