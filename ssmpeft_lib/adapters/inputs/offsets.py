"""What is added to the state where the output is read from it, or to the output itself, at every token."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .learned import LearnedInMixer
from .starts import total


@dataclass
class Offset:
    """What a mixer adds at every token, before its gate.

    Attributes:
        state: added to the state that the output is read from, which the recurrence does not see, [d_inner, d_state]
            (or [heads, head_dim, d_state]); None for zeros.
        output: added to the scan's output, [d_inner] (or [heads, head_dim]); None for zeros.
    """

    state: Tensor | None = None
    output: Tensor | None = None


class Offsets(LearnedInMixer):
    """The learned offsets of one mixer, one for each adapter; a submodule of the mixer named `offset`."""

    what = "a learned offset, which the input scales at every token,"

    def trained(self) -> Iterator[tuple[str, nn.Module]]:
        for offset in self.deltas.values():
            yield offset.slot, offset

    def forward(self) -> Offset | None:
        """The sum over the active adapters, or None."""
        found = [self.deltas[name]() for name in self.acting_names()]
        return Offset(total([o.state for o in found]), total([o.output for o in found])) if found else None


class StateOffset(nn.Module):
    """An offset of the state, zero at the start (Kang et al., 2025).

    Args:
        state_shape, output_shape: of the mixer's state for one sequence, and of its output for one token.
        rank: of the offset as a matrix with a row for each number of the output; 0 for any.
    Raises:
        ValueError: the rank is larger than a side of that matrix.
    """

    how = "an offset of the state at every token"
    slot = "state_offset"

    def __init__(self, state_shape: tuple[int, ...], output_shape: tuple[int, ...], rank: int = 0):
        super().__init__()
        self.state_shape = state_shape
        self.rank = rank
        if not rank:
            self.state_offset = nn.Parameter(torch.zeros(state_shape))
            return
        rows = math.prod(output_shape)
        columns = math.prod(state_shape) // rows
        if rank > min(rows, columns):
            raise ValueError(f"rank {rank} is larger than the smaller side of the state, {rows} x {columns}; lower it")
        self.offset_A = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
        self.offset_B = nn.Parameter(torch.zeros(rows, rank))

    def forward(self) -> Offset:
        """The offset, in the shape of the state."""
        return Offset((self.offset_B @ self.offset_A).view(self.state_shape) if self.rank else self.state_offset)


class OutputOffset(nn.Module):
    """An offset of the scan's output, zero at the start (Kang et al., 2025).

    Args:
        shape: of the output for one token.
    """

    how = "an offset of the output at every token"
    slot = "output_offset"

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.output_offset = nn.Parameter(torch.zeros(shape))

    def forward(self) -> Offset:
        """The offset, in the shape of the output for one token."""
        return Offset(output=self.output_offset)
