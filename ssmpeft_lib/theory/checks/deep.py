"""Checks of Lemma 9, Theorems 4 and 10."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import deep
from ..systems import largest
from ._shared import Numbers, draws


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


def last_layer() -> Numbers:
    return {
        "printed": error_of(last="zero"),
        "left untouched": error_of(last="untouched"),
        "repaired": error_of(last="identity"),
    }


def tuned_columns() -> Numbers:
    return {"printed": error_of(columns=False), "repaired": error_of(columns=True)}


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
