"""Checks of Lemma 9, Theorems 4 and 10."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import deep
from ..systems import largest
from ._shared import Numbers, check, draws


def one_layer(d_model: int = 6, n_layers: int = 3, seed: int = 0):
    """Inputs, a frozen stack with 6 states and a one-layer target with 3, without residual."""
    rng = draws(seed)
    X = rng.normal(size=(d_model, 15))
    frozen = [deep.Layer.random(rng, d_model, 6) for _ in range(n_layers)]
    return X, frozen, deep.Layer.random(rng, d_model, 3, residual=False)


def error_of(d_model: int = 6, n_layers: int = 3, **flaw) -> float:
    """Error of Lemma 9's construction for those sizes, with a flaw as `tune_to_layer` takes it or without."""
    X, frozen, target = one_layer(d_model, n_layers)
    return largest(deep.run(deep.tune_to_layer(frozen, target, **flaw), X) - deep.run([target], X))


@check
def last_layer() -> Numbers:
    """Lemma 9 (Sec. D.2, last layer): what its S4 does with finished channels; only the identity keeps them."""
    return {
        "printed": error_of(last="zero"),
        "left untouched": error_of(last="untouched"),
        "repaired": error_of(last="identity"),
    }


@check
def tuned_columns() -> Numbers:
    """Lemma 9 (Sec. D.2, layers l < L): W as it was, against owned columns that are those of the identity."""
    return {"columns left as they were": error_of(columns=False), "columns set": error_of(columns=True)}


@check
def linear_activations() -> Numbers:
    """Lemma 9 and Sec. 5.2: error of the repaired construction with linear activations and with ReLU."""
    X, frozen, target = one_layer()
    tuned = deep.tune_to_layer(frozen, target)

    def error(act: Callable[[np.ndarray], np.ndarray]) -> float:
        return largest(deep.run(tuned, X, act) - deep.run([target], X, act))

    return {"linear": error(lambda z: z), "ReLU": error(lambda z: np.maximum(z, 0))}


@check
def silenced_entries() -> Numbers:
    """Lemma 9, ceil(D / L) channels and H* states are tuned: entries of the first layer's C that change."""
    _, frozen, target = one_layer()
    first = deep.tune_to_layer(frozen, target)[0].ssm
    return {"claimed": 2 * 3, "entries of C that change": int((first.C != frozen[0].ssm.C).sum())}


@check
def group_size() -> Numbers:
    """Proof of Theorem 10: ceil(D / L) layers a group, against floor(L / L*), for D = 64, L = 4, L* = 1."""
    printed, needed = deep.printed_bounds(64, 4, 1), deep.construction_bounds(64, 4, 1)
    return {"layers": 4, "printed": printed["group"], "repaired": needed["group"]}


@check
def channel_bound() -> Numbers:
    """Theorems 4 and 10: the bound on channels a layer, and that of the construction, where L* does not divide L."""
    sizes = {"D=10, L=5, L*=3": (10, 5, 3), "D=64, L=7, L*=2": (64, 7, 2), "D=64, L=17, L*=2": (64, 17, 2)}
    bounds = {name: (deep.printed_bounds(*size), deep.construction_bounds(*size)) for name, size in sizes.items()}
    return {
        f"{name}, {which}": bound["channels"]
        for name, pair in bounds.items()
        for which, bound in zip(("printed", "construction"), pair, strict=True)
    }


@check
def degrees_of_freedom() -> Numbers:
    """Theorem 4 for D = 64, L = 3, L* = 2 and H* = 1: numbers that may be tuned, and those that targets have."""
    tunable, needed = deep.degrees_of_freedom(64, 3, 1)
    return {"tuned at most": tunable, "of targets at least": needed}


@check
def growing_rank() -> Numbers:
    """Theorem 4 for D = 64 and L* = 2: rank of the updates and hidden states to tune, for more and more layers."""
    found = {f"rank for L={L}": deep.printed_bounds(64, L, 2)["rank"] for L in (4, 16, 64)}
    return found | {f"channels for L={L}": deep.printed_bounds(64, L, 2)["channels"] for L in (4, 16, 64)}


@check
def inner_projections() -> Numbers:
    """Theorem 4: error if inner groups spend rank ceil(L / L*) on their last W, and if they tune it in full."""
    rng, D, L, L_target = draws(), 8, 8, 2
    X, frozen = rng.normal(size=(D, 12)), [deep.Layer.random(rng, D, 5) for _ in range(L)]
    target = [deep.Layer.random(rng, D, 2, residual=False) for _ in range(L_target)]
    expected, rank = deep.run(target, X), deep.printed_bounds(D, L, L_target)["rank"]
    errors = [largest(deep.run(deep.tune_to_stack(frozen, target, r), X) - expected) for r in (rank, None)]
    return {"printed rank": rank, "printed": errors[0], "repaired": errors[1]}


@check
def rank_of_columns() -> Numbers:
    """Theorem 4: rank ceil(L / L*) of updates of W, against that of turning owned columns into unit vectors."""

    def needed(D: int, L: int) -> int:
        columns = deep.construction_bounds(D, L, 1)["channels"]
        return int(np.linalg.matrix_rank((np.eye(D) - draws().normal(size=(D, D)))[:, :columns]))

    return {
        "D=64, L=4, printed": deep.printed_bounds(64, 4, 1)["rank"],
        "D=64, L=4, construction": needed(64, 4),
        "D=64, L=64, printed": deep.printed_bounds(64, 64, 1)["rank"],
        "D=64, L=64, construction": needed(64, 64),
    }
