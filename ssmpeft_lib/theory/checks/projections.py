"""Checks of Lemmas 2 and 6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .. import projections
from ..systems import largest
from ._shared import Numbers, draws


def tuned_projections(seed: int = 0, d_inner: int = 24) -> tuple[projections.S6, np.ndarray]:
    """An S6 with 2H + R = 11 rows in x_proj, and x_proj after an update of rank 2."""
    rng = draws(seed)
    model = projections.S6.random(rng, d_inner, 4, 3)
    return model, model.x_proj + rng.normal(size=(11, 2)) @ rng.normal(size=(2, d_inner)) / d_inner


def full_row_rank() -> Numbers:
    """Lemma 2 (eqs. (14) to (16)): error of the closest W_in_hat for D above, at and below 2H + R, and a low rank."""

    def residual(d_inner: int, rank: int = 11) -> float:
        model, tuned = tuned_projections(d_inner=d_inner)
        U, S, Vt = np.linalg.svd(model.x_proj, full_matrices=False)
        model = replace(model, x_proj=(U[:, :rank] * S[:rank]) @ Vt[:rank])
        return largest(model.x_proj @ projections.closest_in_proj(model, tuned) - tuned @ model.in_proj)

    return {"D=24": residual(24), "D=11": residual(11), "D=10": residual(10), "D=24, rank 10": residual(24, rank=10)}


def equal_parameters() -> Numbers:
    """Lemma 2 (Sec. 4.2): with W_in_hat the parameters theta are equal, the outputs are not."""
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
    """Sec. C.4: rank of the change of W_in that covers one of rank 2, with Q zero and with the repaired Q."""
    model, tuned = tuned_projections()
    rank = {
        free: int(np.linalg.matrix_rank(projections.covering_in_proj(model, tuned, free) - model.in_proj, tol=1e-9))
        for free in ("zero", "frozen")
    }
    return {"x_proj": 2, "in_proj, Q zero": rank["zero"], "in_proj, repaired": rank["frozen"]}


def activation_between() -> Numbers:
    """Sec. 4.2 on Mamba: error of W_in_hat with nothing and with a SiLU between in_proj and x_proj."""
    model, tuned = tuned_projections()
    covered, X = projections.covering_in_proj(model, tuned), draws(1).normal(size=(24, 50))

    def error(act: Callable[[np.ndarray], np.ndarray]) -> float:
        return largest(model.x_proj @ act(covered @ X) - tuned @ act(model.in_proj @ X))

    return {"linear": error(lambda z: z), "SiLU": error(lambda z: z / (1 + np.exp(-z)))}


def step_size_shapes() -> Numbers:
    """Sec. C.4: size of the product in eq. (9), and of that after eq. (11), with the printed shapes."""
    down, up = np.zeros((24, 3)), np.zeros((3, 24))
    return {"eq. (9)": (up @ down).shape[0], "after eq. (11)": (down @ up).shape[0], "D": 24}
