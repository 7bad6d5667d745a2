"""Algorithm 1 (Sec. 5.2): which channels and states of an S4 layer are silenced, and which are trained.

Three rules are here under one function: the algorithm as the paper words it, the released one for Table 4, and the
released one for Figures 1 and 2. The released ones differ from the paper in what they sort by, and their formulas have two
slips, which can be switched on and off one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssmpeft_lib.mixers.s4d import S4DKernel

SLIPS = ("summed_parts", "frozen_sign")
"""The two slips of the released code.

`summed_parts`: A is the sum -exp(log_A_real) + A_imag of two real numbers, without the imaginary unit.
`frozen_sign`: the frozen model's real part enters the change as +exp(log_A_real), so that it is added, not subtracted.
"""


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
        """bool [d_model, d_state]: the entries whose C is set to zero; the states of usable, untrained channels stay."""
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
    """Pick dimensions by their importance after the warm-up, and among these by how far the warm-up moved A.

    Args:
        frozen, warmed: the layer's kernel before and after the warm-up.
        importance: `transition` sorts by |A_bar| (the paper, lines 3 and 6); `kernel` by |C B_bar A_bar^lag|, what a state
            adds to the convolution kernel at that lag (released code).
        lag: 1 in the released code for Table 4, seq_len // 2 in that for Figures 1 and 2.
        slips: those of `SLIPS` to reproduce.
    Raises:
        ValueError: a slip or an importance of another name.
    """
    unknown = set(slips) - set(SLIPS)
    if unknown or importance not in ("transition", "kernel"):
        raise ValueError(
            f"select_dimensions: importance {importance!r} must be 'transition' or 'kernel', slips {slips} among {SLIPS}"
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


def importance_of(kernel: S4DKernel, importance: str, lag: int, slips: tuple[str, ...] = ()) -> Tensor:
    """The magnitude that decides which dimensions are kept, [d_model, d_state]."""
    real, imag = parts(kernel)
    A = real + imag if "summed_parts" in slips else torch.complex(real, imag)
    transition = torch.exp(A * torch.exp(kernel.log_dt)[:, None])
    if importance == "transition":
        return transition.abs()
    C = torch.view_as_complex(kernel.C) if kernel.C.dim() == 3 else kernel.C
    # the order of operations is the released code's, so that float32 overflows where it does
    return (C * (transition - 1.0) / A * transition**lag).abs()


def change_of(frozen: S4DKernel, warmed: S4DKernel, slips: tuple[str, ...] = ()) -> Tensor:
    """How far the warm-up moved (Re A, Im A), [d_model, d_state, 2]."""
    (real, imag), (frozen_real, frozen_imag) = parts(warmed), parts(frozen)
    if "frozen_sign" in slips:
        frozen_real = -frozen_real
    return torch.stack([real - frozen_real, imag - frozen_imag], dim=-1)


def parts(kernel: S4DKernel) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of A, each [d_model, d_state]."""
    real = -torch.exp(kernel.log_A_real)
    return real, kernel.A_imag if kernel.config.domain == "complex" else torch.zeros_like(real)


def ranked(scores: Tensor, among: list[int] | None = None) -> list[int]:
    """Indices by falling score; ties, infinities included, keep their order."""
    values = scores.tolist()
    return sorted(range(len(values)) if among is None else among, key=values.__getitem__, reverse=True)
