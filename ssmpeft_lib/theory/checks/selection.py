"""Checks of Algorithm 1 and of the released code for S4."""

from __future__ import annotations

import copy

import torch

from ssmpeft_lib.mixers.s4d import S4D, S4DConfig, S4DKernel

from ..selection import SLIPS, Budget, importance_of, ranked, select_dimensions
from ..systems import largest
from ._shared import Numbers, check

BUDGET = Budget(usable_channels=16, usable_states=8, update_channels=8, update_states=4)

VARIANTS = {
    "Algorithm 1": {},
    "Table 4, as meant": {"importance": "kernel", "lag": 1},
    "Table 4, released": {"importance": "kernel", "lag": 1, "slips": SLIPS},
    "Figures, as meant": {"importance": "kernel", "lag": 100},
    "Figures, released": {"importance": "kernel", "lag": 100, "slips": SLIPS},
}
"""Ways to choose dimensions: the paper's, and those of the two released scripts without and with their slips."""


def warmed_kernels(seed: int = 0) -> tuple[S4DKernel, S4DKernel]:
    """A layer of the released size before and after a warm-up, which is played by small random changes."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        frozen = S4DKernel(S4DConfig(init="random"))
        warmed = copy.deepcopy(frozen)
        for parameter in warmed.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return frozen, warmed


@check
def norm_of_a_channel() -> Numbers:
    """Algorithm 1, magnitude of a channel: of eight channels, those chosen by the sum and by the maximum alike."""
    weight = importance_of(warmed_kernels()[1], "transition", 1).detach()
    tops = {order: set(ranked(torch.linalg.vector_norm(weight, order, dim=1))[:8]) for order in (1, float("inf"))}
    return {"channels": 8, "chosen by the sum and by the maximum": len(tops[1] & tops[float("inf")])}


def slips_shown() -> list[list[str]]:
    """Compare scripts and slips: kept and trained channels shared with the formula without slips, and overflows."""
    rows = []
    for script, lag in (("Table 4", 1), ("Figures 1 and 2", 100)):
        for name, slips in (("no imaginary unit", SLIPS[:1]), ("wrong sign", SLIPS[1:]), ("both", SLIPS)):
            shared = _shared_with_right(slips, lag)
            size = importance_of(warmed_kernels()[1], "kernel", lag, slips).detach()
            kept, trained = (f"{shared[f'{what} by both']} of {shared[what]}" for what in ("kept", "trained"))
            rows.append([f"{script}: {name}", kept, trained, f"{int((~size.isfinite()).sum())} of {size.numel()}"])
    return rows


def _slip(name: str) -> Numbers:
    return _shared_with_right((name,), lag=1)


def _shared_with_right(slips: tuple[str, ...], lag: int) -> Numbers:
    """How many dimensions the released formula shares with the right one."""
    frozen, warmed = warmed_kernels()
    right, released = (
        select_dimensions(frozen, warmed, BUDGET, "kernel", lag=lag, slips=chosen) for chosen in ((), slips)
    )
    return {
        "kept": BUDGET.usable_channels,
        "kept by both": len(set(right.usable_channels) & set(released.usable_channels)),
        "trained": BUDGET.update_channels,
        "trained by both": len(set(right.update_channels) & set(released.update_channels)),
    }


@check
def summed_parts() -> Numbers:
    """Released code for S4 (select_dims_hard): channels that it chooses rightly without the imaginary unit in A."""
    return _slip("summed_parts")


@check
def frozen_sign() -> Numbers:
    """Released code for S4 (select_dims_hard): channels that it chooses rightly with the frozen real part added."""
    return _slip("frozen_sign")


@check
def residual_placement() -> Numbers:
    """Eq. (4) has the residual behind W, the released S4 layer before it: how far their outputs differ."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        layer, x = S4D(S4DConfig(16, 4)), torch.randn(1, 20, 16)
        other = S4D(S4DConfig(16, 4, residual="after_projection"))
        other.load_state_dict(layer.state_dict())
        return {"outputs": largest((layer(x) - other(x)).numpy()), "largest output": largest(layer(x).numpy())}
