"""The numbers behind the errata: for each, the printed statement fails and the repaired one holds.

Every check draws its own seeded instance and returns named numbers; `workflow/errata/theory.yaml` records them. Errors are
largest absolute differences in float64, so an exact statement shows about 1e-15.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from . import deep, essential, prefix, projections
from .systems import System, convolve, discretize, largest

Numbers = dict[str, float]
SPECTRUM = np.array([-0.8, -0.3, 0.4, 0.9])
"""Four distinct transitions, for the checks that the paper's claim about M and H needs."""


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def missing_initial_state() -> Numbers:
    rng = draws()
    system, p, x, start = System.random(rng, 4), rng.normal(size=6), rng.normal(size=10), rng.normal(size=4)

    def error(start: np.ndarray | float, as_printed: bool) -> float:
        with_prefix = system.run(np.concatenate([p, x]), start)[0][6:]
        return largest(with_prefix - system.run(x, prefix.initial_state_of_prefix(system, p, start, as_printed))[0])

    return {"printed": error(start, True), "printed_zero_start": error(0.0, True), "repaired": error(start, False)}


def state_index() -> Numbers:
    rng = draws()
    system, p, x = System.random(rng, 4), rng.normal(size=6), rng.normal(size=1)
    wanted = prefix.initial_state_of_prefix(system, p)
    states = [system.run(np.concatenate([p, x[:extra]]))[1] for extra in (0, 1)]
    return {"printed": largest(states[1] - wanted), "repaired": largest(states[0] - wanted)}


def span_index() -> Numbers:
    system = System.random(draws(), 4)
    ranks = [int(np.linalg.matrix_rank(prefix.reachability(system, 3, as_printed))) for as_printed in (True, False)]
    return {"H": 4, "M": 3, "printed_rank": ranks[0], "repaired_rank": ranks[1]}


def spectrum_system(rng: np.random.Generator) -> System:
    return System(SPECTRUM, *rng.normal(size=(2, 4)))


def outputs_against_states() -> Numbers:
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


def repeated_transition() -> Numbers:
    rng = draws()
    system, state = spectrum_system(rng), rng.normal(size=4)
    repeated = replace(system, A=SPECTRUM[[0, 1, 2, 2]])
    unreached = replace(system, B=system.B * [1, 1, 1, 0])
    return {
        "repeated a, M=4": prefix.output_residual(repeated, state, 4, 10),
        "one b zero, M=4": prefix.output_residual(unreached, state, 4, 10),
        "one b zero, M=8": prefix.output_residual(unreached, state, 8, 10),
    }


def conditioning() -> Numbers:
    return {f"H={H}": prefix.condition_number(np.linspace(0.2, 0.95, H)) for H in (4, 8, 16)}


def convolution_before_the_scan() -> Numbers:
    """An S4 behind a causal convolution of width 4, as in a Mamba block; the prefix also sits in the convolution."""
    rng = draws()
    taps, system, p, x = rng.normal(size=4), System.random(rng, 4), rng.normal(size=6), rng.normal(size=8)

    def conv(sequence: np.ndarray, before: np.ndarray) -> np.ndarray:
        return np.convolve(np.concatenate([before, sequence]), taps, "valid")

    through = conv(np.concatenate([p, x]), np.zeros(3))
    expected, state = system.run(through)[0][6:], system.run(through[:6])[1]
    return {
        "state alone": largest(system.run(conv(x, np.zeros(3)), state)[0] - expected),
        "state and last three inputs": largest(system.run(conv(x, p[-3:]), state)[0] - expected),
    }


def selective_prefix() -> Numbers:
    rng = draws()
    model, P, X = projections.S6.random(rng, 5, 3, 2), rng.normal(size=(5, 4)), rng.normal(size=(5, 7))
    expected = model.run(np.hstack([P, X]))[0][:, 4:]
    return {"repaired": largest(model.run(X, model.run(P)[1])[0] - expected)}


def tuned_projections(seed: int = 0, d_inner: int = 24) -> tuple[projections.S6, np.ndarray]:
    """An S6 with 2H + R = 11 rows in x_proj, and x_proj after an update of rank 2."""
    rng = draws(seed)
    model = projections.S6.random(rng, d_inner, 4, 3)
    return model, model.x_proj + rng.normal(size=(11, 2)) @ rng.normal(size=(2, d_inner)) / d_inner


def full_row_rank() -> Numbers:
    def residual(d_inner: int, rank: int = 11) -> float:
        model, tuned = tuned_projections(d_inner=d_inner)
        U, S, Vt = np.linalg.svd(model.x_proj, full_matrices=False)
        model = replace(model, x_proj=(U[:, :rank] * S[:rank]) @ Vt[:rank])
        return largest(model.x_proj @ projections.closest_in_proj(model, tuned) - tuned @ model.in_proj)

    return {"D=24": residual(24), "D=11": residual(11), "D=10": residual(10), "D=24, rank 10": residual(24, rank=10)}


def equal_parameters() -> Numbers:
    model, tuned = tuned_projections()
    X = draws(1).normal(size=(24, 12))
    target = replace(model, x_proj=tuned)
    covered = replace(model, in_proj=projections.covering_in_proj(model, tuned))
    outputs = [m.run(X)[0] for m in (target, covered, model)]
    theta = zip(target.parameters(X), covered.parameters(X), strict=True)
    return {
        "parameters": max(largest(a - b) for a, b in theta),
        "outputs": largest(outputs[0] - outputs[1]),
        "outputs of the frozen model": largest(outputs[0] - outputs[2]),
        "largest output": largest(outputs[0]),
    }


def rank_of_the_update() -> Numbers:
    model, tuned = tuned_projections()
    rank = {
        free: int(np.linalg.matrix_rank(projections.covering_in_proj(model, tuned, free) - model.in_proj, tol=1e-9))
        for free in ("zero", "frozen")
    }
    return {"x_proj": 2, "in_proj, Q zero": rank["zero"], "in_proj, repaired": rank["frozen"]}


def activation_between() -> Numbers:
    model, tuned = tuned_projections()
    covered, X = projections.covering_in_proj(model, tuned), draws(1).normal(size=(24, 50))

    def error(act: Callable[[np.ndarray], np.ndarray]) -> float:
        return largest(model.x_proj @ act(covered @ X) - tuned @ act(model.in_proj @ X))

    return {"linear": error(lambda z: z), "SiLU": error(lambda z: z / (1 + np.exp(-z)))}


def step_size_shapes() -> Numbers:
    down, up = np.zeros((24, 3)), np.zeros((3, 24))
    return {"eq. (9)": (up @ down).shape[0], "after eq. (11)": (down @ up).shape[0], "D": 24}


def exponent() -> Numbers:
    system, x = System(np.array([0.5]), np.ones(1), np.ones(1)), draws().normal(size=6)
    expected = system.run(x)[0]
    errors = [largest(convolve(x, system.kernel(6, as_printed)) - expected) for as_printed in (True, False)]
    return {"printed": errors[0], "repaired": errors[1]}


def channel_pair(seed: int = 0) -> tuple[System, System]:
    """A frozen channel with 4 states and a target with 2."""
    rng = draws(seed)
    return System.random(rng, 4), System.random(rng, 2)


def removed_state() -> Numbers:
    (frozen, target), x = channel_pair(), draws(1).normal(size=20)
    count = essential.count_parameters(frozen, target)
    errors = {part: essential.tuned(frozen, target, count, part).run(x)[0] - target.run(x)[0] for part in "ABC"}
    left = np.setdiff1d(np.arange(4), count.kept)
    at_lag_zero = (frozen.C * frozen.B)[left].sum() * x
    return {
        "A": largest(errors["A"]),
        "A, less lag 0": largest(errors["A"] - at_lag_zero),
        "B": largest(errors["B"]),
        "C": largest(errors["C"]),
    }


def not_a_minimum() -> Numbers:
    frozen = System(np.array([0.5, 0.5]), np.ones(2), np.array([0.25, 0.75]))
    target, x = System(np.array([0.5]), np.ones(1), np.ones(1)), draws().normal(size=20)
    error = largest(frozen.run(x)[0] - target.run(x)[0])
    return {"count": essential.count_parameters(frozen, target).total, "error with nothing tuned": error}


def bilinear_term() -> Numbers:
    rng = draws()
    system, step = System(rng.normal(size=5) - 1, *rng.normal(size=(2, 5))), 0.1
    exact, printed = (essential.removal_term(system, "bilinear", step, as_printed) for as_printed in (False, True))
    ratio = exact / printed
    return {"ratio": ratio.max(), "ratio less its formula": largest(ratio - (1 - step * system.A / 2) ** -2)}


def integrator() -> Numbers:
    """ZOH with A near 0: the printed term says that the state is gone, yet it sums its inputs."""
    system, step = System(np.array([-1e-9]), np.ones(1), np.ones(1)), 0.1
    printed = essential.removal_term(system, "zoh", step, as_printed=True)
    outputs = essential.discretized(system, step, "zoh").run(np.ones(4))[0]
    return {"printed term": float(abs(printed[0])), "first output": outputs[0], "fourth output": outputs[3]}


def bilinear_lag_zero() -> Numbers:
    step = 0.1
    system = System(np.array([-2 / step]), np.ones(1), np.ones(1))
    printed = essential.removal_term(system, "bilinear", step, as_printed=True)
    output = essential.discretized(system, step, "bilinear").run(np.ones(4))[0]
    return {"printed term": float(abs(printed[0])), "output": output.max()}


def step_sizes() -> Numbers:
    x, system = draws().normal(size=20), System(-np.ones(1), np.ones(1), np.ones(1))
    target = essential.discretized(system, 0.1, "zoh").run(x)[0]
    same = essential.discretized(system, 0.2, "zoh").run(x)[0]
    slower = replace(system, A=0.1 * system.A / 0.2, C=0.1 * system.C / 0.2)
    rescaled = essential.discretized(slower, 0.2, "zoh").run(x)[0]
    return {"same A, B, C": largest(same - target), "A and C rescaled": largest(rescaled - target)}


def zoh_never_zero() -> Numbers:
    A_bar, B_bar = discretize(np.array([-50.0]), np.array([50.0]), 1.0, "zoh")
    return {"A_bar at A = -50": A_bar[0], "B_bar with B = 50": B_bar[0]}


def one_layer(d_model: int = 6, n_layers: int = 3, seed: int = 0):
    """Inputs, a frozen stack with 6 states and a one-layer target with 3, without residual."""
    rng = draws(seed)
    X = rng.normal(size=(d_model, 15))
    frozen = [deep.Layer.random(rng, d_model, 6) for _ in range(n_layers)]
    return X, frozen, deep.Layer.random(rng, d_model, 3, residual=False)


def last_layer() -> Numbers:
    X, frozen, target = one_layer()
    expected = deep.run([target], X)
    return {
        last: largest(deep.run(deep.tune_to_layer(frozen, target, last=last), X) - expected)
        for last in ("zero", "untouched", "identity")
    }


def tuned_columns() -> Numbers:
    X, frozen, target = one_layer()
    expected = deep.run([target], X)
    errors = [largest(deep.run(deep.tune_to_layer(frozen, target, columns=c), X) - expected) for c in (False, True)]
    return {"printed": errors[0], "repaired": errors[1]}


def linear_activations() -> Numbers:
    X, frozen, target = one_layer()
    tuned = deep.tune_to_layer(frozen, target)

    def error(act: Callable[[np.ndarray], np.ndarray]) -> float:
        return largest(deep.run(tuned, X, act) - deep.run([target], X, act))

    return {"linear": error(lambda z: z), "ReLU": error(lambda z: np.maximum(z, 0))}


def silenced_entries() -> Numbers:
    _, frozen, target = one_layer()
    first = deep.tune_to_layer(frozen, target)[0].ssm
    return {"claimed": 2 * 3, "entries of C that change": int((first.C != frozen[0].ssm.C).sum())}


def group_size() -> Numbers:
    printed, needed = deep.printed_bounds(64, 4, 1), deep.needed_bounds(64, 4, 1)
    return {"layers": 4, "printed": printed["group"], "repaired": needed["group"]}


def channel_bound() -> Numbers:
    sizes = {"D=10, L=5, L*=3": (10, 5, 3), "D=64, L=7, L*=2": (64, 7, 2), "D=12, L=5, L*=2": (12, 5, 2)}
    bounds = {name: (deep.printed_bounds(*size), deep.needed_bounds(*size)) for name, size in sizes.items()}
    return {
        f"{name}, {which}": bound["channels"]
        for name, pair in bounds.items()
        for which, bound in zip(("printed", "needed"), pair, strict=True)
    }


def inner_projections() -> Numbers:
    rng, D, L, L_target = draws(), 8, 8, 2
    X, frozen = rng.normal(size=(D, 12)), [deep.Layer.random(rng, D, 5) for _ in range(L)]
    target = [deep.Layer.random(rng, D, 2, residual=False) for _ in range(L_target)]
    expected, rank = deep.run(target, X), deep.printed_bounds(D, L, L_target)["rank"]
    errors = [largest(deep.run(deep.tune_to_stack(frozen, target, r), X) - expected) for r in (rank, None)]
    return {"printed rank": rank, "printed": errors[0], "repaired": errors[1]}


def rank_of_columns() -> Numbers:
    def needed(D: int, L: int) -> int:
        columns = deep.needed_bounds(D, L, 1)["channels"]
        return int(np.linalg.matrix_rank((np.eye(D) - draws().normal(size=(D, D)))[:, :columns]))

    return {
        "D=64, L=4, printed": deep.printed_bounds(64, 4, 1)["rank"],
        "D=64, L=4, needed": needed(64, 4),
        "D=64, L=64, printed": deep.printed_bounds(64, 64, 1)["rank"],
        "D=64, L=64, needed": needed(64, 64),
    }
