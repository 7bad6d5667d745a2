"""Lemma 9 and Theorems 4 and 10 (Secs. 5.2 and D.2): a deep S4 with linear activations tuned to a shallower target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray

from .systems import System


@dataclass(frozen=True)
class Layer:
    """y_t = act(W S4_t(x) + bias + u x_t) (eq. (4)). ssm: D channels with H states; W: [D, D]; bias, u: [D]."""

    ssm: System
    W: ndarray
    bias: ndarray
    u: ndarray

    @classmethod
    def random(cls, rng: np.random.Generator, d_model: int, d_state: int, residual: bool = True) -> Layer:
        """Random parameters; W keeps the size of its inputs on average, and without a residual u is zero."""
        W = rng.normal(size=(d_model, d_model)) / np.sqrt(d_model)
        bias, u = rng.normal(size=(2, d_model))
        return cls(System.random(rng, d_model, d_state), W, bias, u * residual)


def run(layers: list[Layer], X: ndarray, activation: Callable[[ndarray], ndarray] = lambda v: v) -> ndarray:
    """Outputs [D, N] of a stack for inputs X [D, N]; linear unless an activation is given."""
    for layer in layers:
        X = activation(layer.W @ layer.ssm.run(X)[0] + layer.bias[:, None] + layer.u[:, None] * X)
    return X


def tune_to_layer(
    frozen: list[Layer],
    target: Layer,
    last: str = "identity",
    columns: bool = True,
    W_last: ndarray | None = None,
) -> list[Layer]:
    """Lemma 9: the frozen stack made equal to a one-layer target without residual.

    Layer l owns ceil(D / L) channels. It turns them into the target's by Lemma 3 and lets
    the others through on the residual (u = 1, C = 0); the last layer applies the target's W.

    Args:
        last: what the last layer's S4 does with the channels that are finished; with u = 0
            they can leave only through it. `identity` is the repair. The paper does not
            say; `zero` is its rule for unselected channels, `untouched` leaves them frozen.
        columns: set the owned columns of W to those of the identity in all layers but the
            last. The construction needs it; the paper does not say it.
        W_last: another W for the last layer than the target's.
    """
    D, L = len(target.bias), len(frozen)
    width = -(-D // L)
    tuned = []
    for index, layer in enumerate(frozen):
        owned = np.arange(index * width, min(D, (index + 1) * width))
        rest = np.setdiff1d(np.arange(D), owned)
        if index < L - 1:
            ssm = match_channels(silence_channels(layer.ssm, rest), target.ssm, owned)
            W = layer.W.copy()
            if columns:
                W[:, owned] = np.eye(D)[:, owned]
            u = np.isin(np.arange(D), rest).astype(float)
            tuned.append(Layer(ssm, W, np.zeros(D), u))
        else:
            others = {"identity": identity_channels, "zero": silence_channels, "untouched": lambda ssm, _: ssm}[last]
            ssm = match_channels(others(layer.ssm, rest), target.ssm, owned)
            tuned.append(Layer(ssm, target.W if W_last is None else W_last, target.bias, np.zeros(D)))
    return tuned


def tune_to_stack(frozen: list[Layer], target: list[Layer], inner_rank: int | None = None) -> list[Layer]:
    """Theorems 4 and 10: the frozen stack made equal to a shallower target, group by group.

    Args:
        inner_rank: rank that may be spent on the last W of every group but the last. None,
            the repair, is full tuning; Theorem 4 grants ceil(L / L*).
    """
    tuned, start = [], 0
    for index, (layer, size) in enumerate(zip(target, group_sizes(len(frozen), len(target)), strict=True)):
        group, start = frozen[start : start + size], start + size
        inner = index < len(target) - 1
        W_last = layer.W if inner_rank is None or not inner else nearest(group[-1].W, layer.W, inner_rank)
        tuned += tune_to_layer(group, layer, W_last=W_last)
    return tuned


def group_sizes(L: int, L_target: int) -> list[int]:
    """floor(L / L*) layers for each target layer, the rest to the last (Sec. D.2).

    The proof of Theorem 10 has ceil(D / L) instead, which has nothing to do with L*.
    """
    sizes = [L // L_target] * L_target
    sizes[-1] += L - sum(sizes)
    return sizes


def printed_bounds(D: int, L: int, L_target: int) -> dict[str, int]:
    """What Theorems 4 and 10 say is enough: channels a layer, layers a group, rank of each update of W."""
    return {"channels": -(-D * L_target // L), "group": -(-D // L), "rank": -(-L // L_target)}


def construction_bounds(D: int, L: int, L_target: int) -> dict[str, int]:
    """What this construction needs in every layer but the last of a group, which tunes all D channels and all of W.

    The rank is that of making the owned columns unit vectors. Another construction may need less.
    """
    channels = -(-D // (L // L_target))
    return {"channels": channels, "group": L // L_target, "rank": min(D, channels)}


def degrees_of_freedom(D: int, L: int, H_target: int) -> tuple[int, int]:
    """Count, for targets of two layers, what Theorem 4 lets one tune at most, and what the targets have at least.

    Tuned are, in each layer, A, B and C of H* states and the step size in each of ceil(2 D / L) channels, u and the
    bias, and W by a matrix of rank r = ceil(L / 2), which has r (2 D - r) degrees of freedom; D^2 in the last layer.
    Of the targets it is enough to look at those whose S4 are fixed, with one transition a channel, all different. From
    the outputs of such a target, by partial fractions, follow the D matrices W_2[:, d] W_1[d, :] of rank one. These
    have D (2 D - 1) degrees of freedom. A smooth function of fewer numbers cannot reach them all.
    """
    printed = printed_bounds(D, L, 2)
    rank = min(D, printed["rank"])
    each_layer = printed["channels"] * (3 * H_target + 1) + 2 * D
    return L * each_layer + (L - 1) * rank * (2 * D - rank) + D**2, D * (2 * D - 1)


def match_channels(ssm: System, target: System, channels: ndarray) -> System:
    """Give the first H* states of those channels the target's A and product B C, and silence their other states."""
    A, C = ssm.A.copy(), ssm.C.copy()
    kept = target.A.shape[1]
    A[channels, :kept] = target.A[channels]
    C[channels, :kept] = (target.B * target.C)[channels] / ssm.B[channels, :kept]
    C[channels, kept:] = 0.0
    return replace(ssm, A=A, C=C)


def silence_channels(ssm: System, channels: ndarray) -> System:
    """C = 0 in those channels."""
    C = ssm.C.copy()
    C[channels] = 0.0
    return replace(ssm, C=C)


def identity_channels(ssm: System, channels: ndarray) -> System:
    """S4(x) = x in those channels: one state with A = 0 and B C = 1, the others silent."""
    A, C = ssm.A.copy(), ssm.C.copy()
    A[channels, 0] = 0.0
    C[channels] = 0.0
    C[channels, 0] = 1.0 / ssm.B[channels, 0]
    return replace(ssm, A=A, C=C)


def nearest(W: ndarray, target: ndarray, rank: int) -> ndarray:
    """W plus the best update of that rank towards `target`."""
    U, S, Vt = np.linalg.svd(target - W)
    return W + (U[:, :rank] * S[:rank]) @ Vt[:rank]
