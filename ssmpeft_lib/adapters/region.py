"""Which part of a parameter a slot stands for."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Region:
    """The rows of a parameter that belong to a slot.

    Attributes:
        rows: of each matrix; None for all.
        stacked: whether the parameter is a stack of matrices, [count, rows, columns], as fused experts are. A
            convolution's weight [channels, 1, width] is one matrix.
    """

    rows: slice | None = None
    stacked: bool = False

    def of(self, weight: Tensor) -> Tensor:
        """The slot's block of a parameter: a matrix, a stack of matrices, or a vector."""
        if self.stacked:
            return weight if self.rows is None else weight[:, self.rows]
        matrix = weight if weight.dim() < 3 else weight.flatten(1)
        return matrix if self.rows is None else matrix[self.rows]

    def spread(self, change: Tensor, shape: tuple[int, ...]) -> Tensor:
        """A change of the block as a change of the whole parameter of that shape, zero elsewhere."""
        if self.rows is not None:
            total = shape[1] if self.stacked else shape[0]
            above, below = self.rows.start, total - self.rows.stop
            columns = [0, 0] if change.dim() > 1 else []
            change = F.pad(change, [*columns, above, below])
        return change.view(shape)

    def of_outputs(self, y: Tensor) -> Tensor:
        """The slot's output features of a linear layer's outputs or bias, [..., rows]."""
        return y if self.rows is None else y[..., self.rows]

    def spread_outputs(self, change: Tensor, total: int) -> Tensor:
        """A change of the slot's output features as a change of all of them, [..., total]."""
        return change if self.rows is None else F.pad(change, [self.rows.start, total - self.rows.stop])
