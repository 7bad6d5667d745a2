"""Algorithm 1 (Sec. 5.2): which channels and states of an S4 layer are silenced, and which are trained.

Three rules are here under one function: the algorithm as the paper words it, the released one for Table 4, and the
released one for Figures 1 and 2. The released ones sort by something else than the paper, and their formulas have
two slips, which can be switched on and off one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..mixers._s4d_ranking import SLIPS, change_of, importance_of
from ..mixers.s4d import S4DKernel


@dataclass(frozen=True)
class Budget:
    """How many dimensions of each layer are kept and how many are trained, at most as many as are kept."""

    usable_channels: int
    usable_states: int
    update_channels: int
    update_states: int

    def __post_init__(self) -> None:
        for what in ("channels", "states"):
            usable, update = getattr(self, f"usable_{what}"), getattr(self, f"update_{what}")
            if not 0 < update <= usable:
                raise ValueError(f"Budget: update_{what}={update} must be in 1..usable_{what}={usable}")


@dataclass(frozen=True)
class Selection:
    """Channels and, for each channel to train, states; best first."""

    usable_channels: list[int]
    update_channels: list[int]
    usable_states: dict[int, list[int]]
    update_states: dict[int, list[int]]

    def trained(self, shape: tuple[int, int]) -> Tensor:
        """bool [d_model, d_state]: the entries that are trained."""
        mask = torch.zeros(shape, dtype=torch.bool)
        for channel, states in self.update_states.items():
            mask[channel, states] = True
        return mask

    def silenced(self, shape: tuple[int, int]) -> Tensor:
        """bool [d_model, d_state]: the entries whose C is set to zero. States of usable, untrained channels stay."""
        mask = torch.ones(shape, dtype=torch.bool)
        mask[self.usable_channels] = False
        for channel, states in self.usable_states.items():
            mask[channel] = True
            mask[channel, states] = False
        return mask


def select_dimensions(
    frozen: S4DKernel,
    warmed: S4DKernel,
    budget: Budget,
    importance: str = "transition",
    lag: int = 1,
    slips: tuple[str, ...] = (),
) -> Selection:
    """Pick dimensions by importance, and among these by how far the warm-up moved A.

    Args:
        frozen, warmed: the layer's kernel before and after the warm-up.
        importance: `transition` sorts by |A_bar| (the paper, lines 3 and 6), `kernel` by
            |C B_bar A_bar^lag|, what a state adds to the kernel at that lag (released).
        lag: 1 in the release for Table 4, seq_len // 2 in that for Figures 1 and 2.
        slips: those of `SLIPS` to reproduce.
    Raises:
        ValueError: a slip or an importance of another name.
    """
    unknown = set(slips) - set(SLIPS)
    if unknown or importance not in ("transition", "kernel"):
        raise ValueError(
            f"select_dimensions: importance {importance!r} must be 'transition' or 'kernel', "
            f"slips {slips} among {SLIPS}"
        )
    with torch.no_grad():
        weight, change = importance_of(warmed, importance, lag, slips), change_of(frozen, warmed, slips)
    norm = torch.linalg.vector_norm
    usable_channels = ranked(norm(weight, dim=1))[: budget.usable_channels]
    update_channels = ranked(norm(change, dim=(1, 2)), usable_channels)[: budget.update_channels]
    usable_states, update_states = {}, {}
    for channel in update_channels:
        usable_states[channel] = ranked(weight[channel])[: budget.usable_states]
        update_states[channel] = ranked(norm(change[channel], dim=1), usable_states[channel])[: budget.update_states]
    return Selection(usable_channels, update_channels, usable_states, update_states)


def ranked(scores: Tensor, among: list[int] | None = None) -> list[int]:
    """Indices by falling score; ties, infinities included, keep their order."""
    values = scores.tolist()
    return sorted(range(len(values)) if among is None else among, key=values.__getitem__, reverse=True)
