"""Where a sequence starts from: learned states of the scan and of the convolution, instead of zeros."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .learned import LearnedInMixer


@dataclass
class Start:
    """What a mixer holds before the first token.

    Attributes:
        state: of the scan, [1, d_inner, d_state] (or [1, heads, head_dim, d_state]), or None for zeros.
        columns: the last inputs of the convolution, [1, d_inner, d_conv - 1], or None for zeros.
        first: position of the token in front of which it stands in each row, int64 [batch]; what comes before is
            padding that it passes unchanged. None where it stands in front of everything.
    """

    state: Tensor | None = None
    columns: Tensor | None = None
    first: Tensor | None = None


class Starts(LearnedInMixer):
    """The learned starts of one mixer, one for each adapter; a submodule of the mixer named `start`."""

    slot = "initial_state"

    def forward(self, dtype: torch.dtype | None = None) -> Start | None:
        """The start to use, the sum over active adapters; None for zeros.

        Args:
            dtype: of the sequence that is about to follow, which autocast may have in another type than the weights.
        """
        starts = [self.deltas[name](self.mixer, dtype) for name in self.acting_names()]
        if not starts:
            return None
        return Start(total([s.state for s in starts]), total([s.columns for s in starts]))


class LearnedStart(nn.Module):
    """Initial state tuning: a state that is learned (Sec. 4.1), with the convolution's columns or without.

    Args:
        state_shape: shape of the mixer's state for one sequence.
        columns_shape: shape of the convolution's columns, or None to leave them zero.
        scale: what both are multiplied with in evaluation; training uses them as they are.
        l2: weight of the sum of their squares in the loss.
    """

    how = "the state before the first token"

    def __init__(
        self,
        state_shape: tuple[int, ...],
        columns_shape: tuple[int, int] | None = None,
        scale: float = 1.0,
        l2: float = 0.0,
    ):
        super().__init__()
        self.initial_state = nn.Parameter(torch.zeros(state_shape))
        self.conv_state = nn.Parameter(torch.zeros(columns_shape)) if columns_shape else None
        self.scale = scale
        self.l2 = l2

    def forward(self, mixer: nn.Module, dtype: torch.dtype | None = None) -> Start:
        """The learned tensors with a batch axis of 1 in front; columns that are not learned are None."""
        return Start(self._used(self.initial_state), None if self.conv_state is None else self._used(self.conv_state))

    def _used(self, learned: Tensor) -> Tensor:
        if self.training and self.l2:
            learned = _Penalised.apply(learned, self.l2)
        return learned[None] if self.training or self.scale == 1 else self.scale * learned[None]


class _Penalised(torch.autograd.Function):
    """Values as they are, whose gradient has that of `weight * values.square().sum()` added.

    So the penalty needs no part of the loss, and acts with every trainer.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, weight: float) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, float], output: Tensor) -> None:
        values, ctx.weight = inputs
        ctx.save_for_backward(values)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (values,) = ctx.saved_tensors
        return gradient + 2 * ctx.weight * values, None


def total(tensors: list[Tensor | None]) -> Tensor | None:
    """The sum of those that are there; None where none is."""
    present = [tensor for tensor in tensors if tensor is not None]
    return sum(present[1:], start=present[0]) if present else None
