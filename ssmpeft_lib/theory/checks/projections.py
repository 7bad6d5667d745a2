"""Checks of Lemmas 2 and 6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import least_squares

from .. import projections
from ..systems import largest
from ._shared import Numbers, check, draws


def tuned_projections(seed: int = 0, d_inner: int = 24) -> tuple[projections.S6, np.ndarray]:
    """An S6 with 2H + R = 11 rows in x_proj, and x_proj after an update of rank 2."""
    rng = draws(seed)
    model = projections.S6.random(rng, d_inner, 4, 3)
    return model, model.x_proj + rng.normal(size=(11, 2)) @ rng.normal(size=(2, d_inner)) / d_inner


@check
def full_row_rank() -> Numbers:
    """Lemma 2 (eqs. (14) to (16)): error of the closest W_in_hat for D above, at and below 2H + R, and a low rank."""

    def residual(d_inner: int, rank: int = 11) -> float:
        model, tuned = tuned_projections(d_inner=d_inner)
        U, S, Vt = np.linalg.svd(model.x_proj, full_matrices=False)
        model = replace(model, x_proj=(U[:, :rank] * S[:rank]) @ Vt[:rank])
        return largest(model.x_proj @ projections.closest_in_proj(model, tuned) - tuned @ model.in_proj)

    return {"D=24": residual(24), "D=11": residual(11), "D=10": residual(10), "D=24, rank 10": residual(24, rank=10)}


@check
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


def first_outputs(model: projections.S6, X: np.ndarray) -> np.ndarray:
    """Outputs [D, n] after a first token, for each of n tokens X [D, n]: step size times z times the product B C."""
    B, C, dt = model.parameters(X)
    # the state starts at zero, so that no token sees another
    return dt * (model.in_proj @ X) * (B * C).sum(0)


@check
def other_input_projections() -> Numbers:
    """Sec. 4.2, tuning W_in encompasses tuning W_S6: output error of the lemma's W_in_hat and of the best one found.

    Six channels with two states, outputs after one token, and a search by least squares from these two matrices.
    """
    rng = draws()
    model = projections.S6.random(rng, 6, 2, 1)
    target = replace(model, x_proj=model.x_proj + 0.2 * rng.normal(size=(5, 6)))
    X = rng.normal(size=(6, 40))
    wanted = first_outputs(target, X)

    def errors(in_proj: np.ndarray) -> np.ndarray:
        return (first_outputs(replace(model, in_proj=in_proj.reshape(6, 6)), X) - wanted).ravel()

    lemma = projections.covering_in_proj(model, target.x_proj)
    found = [largest(least_squares(errors, start.ravel(), max_nfev=40).fun) for start in (lemma, model.in_proj)]
    return {
        "lemma's matrix": largest(errors(lemma)),
        "frozen matrix": largest(errors(model.in_proj)),
        "best found": min(found),
        "largest output": largest(wanted),
    }


@check
def last_projection() -> Numbers:
    """Lemma 2 with Sec. 3's names, where W_dt,up is the last factor of W_dt, [D, R]: error of the closest W_in_hat.

    The change must be one of W_dt,down W_in, which leaves the column space of W_dt,up as it is.
    """
    rng, (model, tuned) = draws(1), tuned_projections()
    up = model.dt_proj + 0.1 * rng.normal(size=model.dt_proj.shape)
    wanted = up @ model.x_proj[-3:] @ model.in_proj
    closest = np.linalg.lstsq(model.dt_proj, wanted, rcond=None)[0]
    covered = projections.covering_in_proj(model, tuned)
    return {
        "W_dt,up of Sec. 3": largest(model.dt_proj @ closest - wanted),
        "W_dt,up of Sec. C.4": largest(model.x_proj[-3:] @ covered - tuned[-3:] @ model.in_proj),
        "largest entry": largest(wanted),
    }


@check
def rank_of_the_update() -> Numbers:
    """Sec. C.4: rank of the change of W_in that covers one of rank 2, with Q zero and with the repaired Q."""
    model, tuned = tuned_projections()
    rank = {
        free: int(np.linalg.matrix_rank(projections.covering_in_proj(model, tuned, free) - model.in_proj, tol=1e-9))
        for free in ("zero", "frozen")
    }
    return {"x_proj": 2, "in_proj, Q zero": rank["zero"], "in_proj, repaired": rank["frozen"]}


@check
def activation_between() -> Numbers:
    """Sec. 4.2 on Mamba: error of W_in_hat with nothing and with a SiLU between in_proj and x_proj."""
    model, tuned = tuned_projections()
    covered, X = projections.covering_in_proj(model, tuned), draws(1).normal(size=(24, 50))

    def error(act: Callable[[np.ndarray], np.ndarray]) -> float:
        return largest(model.x_proj @ act(covered @ X) - tuned @ act(model.in_proj @ X))

    return {"linear": error(lambda z: z), "SiLU": error(lambda z: z / (1 + np.exp(-z)))}


@check
def step_size_shapes() -> Numbers:
    """Sec. C.4: size of the product in eq. (9), and of that after eq. (11), with the printed shapes."""
    down, up = np.zeros((24, 3)), np.zeros((3, 24))
    return {"eq. (9)": (up @ down).shape[0], "after eq. (11)": (down @ up).shape[0], "D": 24}
