"""Deltas: trainable changes of one slot. Each is zero at the start and can be merged into the weight it changes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Delta(nn.Module):
    """A change of a slot's block of a weight.

    A linear slot is changed on its output where the delta knows how, which needs no gradient of the full weight.
    Any other slot, and any merge, changes the weight itself.
    """

    on_output = True
    """Whether a linear layer adds it to its output; otherwise the layer runs with a changed weight."""

    additive = True
    """Whether the output changes by `h @ up.T` with `(h, up) = factors(x)`; otherwise by `output_change`."""

    replaces = False
    """True when it stands for training the weight itself and adds no parameters to the model."""

    def change(self, block: Tensor) -> Tensor:
        """What is added to the frozen `block`; same shape as the block."""
        raise NotImplementedError

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(h, up)`: the output changes by `h @ up.T`; h is [..., k], up is [rows, k]."""
        raise NotImplementedError


class LowRank(Delta):
    """`alpha / rank * lora_B @ lora_A`, with `lora_B = 0` at the start (Hu et al., 2021; Sec. C.1).

    Args:
        shape: (rows, columns) of the block.
        rank: of the change, at least 1.
        alpha: numerator of the scale.
        dropout: probability with which an input is dropped on the way to `lora_A`; used on outputs only.
    """

    def __init__(self, shape: tuple[int, int], rank: int, alpha: float, dropout: float = 0.0):
        super().__init__()
        rows, columns = shape
        self.lora_A = nn.Parameter(torch.empty(rank, columns))
        self.lora_B = nn.Parameter(torch.zeros(rows, rank))
        self.scaling = alpha / rank
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def change(self, block: Tensor) -> Tensor:
        return self.scaling * (self.lora_B @ self.lora_A)

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(self.dropout(x.to(self.lora_A.dtype)), self.lora_A), self.scaling * self.lora_B


class Magnitude(LowRank):
    """DoRA: `magnitude * (W + BA) / |W + BA|` by rows, the norm held constant in the gradient (Liu et al., 2024)."""

    additive = False

    def __init__(self, shape: tuple[int, int], rank: int, alpha: float, dropout: float = 0.0):
        super().__init__(shape, rank, alpha, dropout)
        self.magnitude = nn.Parameter(torch.ones(shape[0]))

    def start_at(self, block: Tensor) -> None:
        """Set the magnitudes to the row norms of the frozen block, so that nothing changes at the start."""
        with torch.no_grad():
            self.magnitude.copy_(torch.linalg.vector_norm(block.to(self.magnitude.dtype), dim=1))

    def output_change(self, x: Tensor, y: Tensor, block: Tensor) -> Tensor:
        """What is added to `y`, the rows' frozen output without bias [..., rows]; `block` is their frozen weight.

        With dropout the frozen weight sees the dropped input as well, as in Hugging Face peft.
        """
        dropped = self.dropout(x.to(self.lora_A.dtype))
        if self.training and not isinstance(self.dropout, nn.Identity):
            y = F.linear(dropped.to(block.dtype), block)
        scale = self._scale(block)
        return (scale - 1) * y + scale * F.linear(F.linear(dropped, self.lora_A), self.scaling * self.lora_B)

    def change(self, block: Tensor) -> Tensor:
        frozen = block.to(self.lora_A.dtype)
        return self._scale(block)[:, None] * (frozen + super().change(block)) - frozen

    def _scale(self, block: Tensor) -> Tensor:
        changed = block.detach().to(self.lora_A.dtype) + super().change(block).detach()
        return self.magnitude / torch.linalg.vector_norm(changed, dim=1)


class Dense(Delta):
    """Every entry of the block is trained; the delta starts at zero and stands for the weight itself."""

    on_output = False
    replaces = True

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.delta = nn.Parameter(torch.zeros(shape))

    def change(self, block: Tensor) -> Tensor:
        return self.delta


class Sparse(Delta):
    """Chosen entries of the block are trained, the others cannot move (SDT, Sec. 5 and Algorithm 1).

    Args:
        shape: (rows, columns) of the block.
        count: number of trained entries; fixed, so that an adapter can be loaded before its indices are known.
    """

    replaces = False

    def __init__(self, shape: tuple[int, int], count: int):
        super().__init__()
        self.shape = tuple(shape)
        self.values = nn.Parameter(torch.zeros(count))
        self.register_buffer("indices", torch.zeros(count, dtype=torch.int64))

    def choose(self, mask: Tensor) -> None:
        """Fix the trained entries: those where `mask` [rows, columns] is True, in row-major order.

        Raises:
            ValueError: the mask does not choose as many entries as the delta holds.
        """
        chosen = mask.flatten().nonzero().flatten()
        if len(chosen) != len(self.values):
            raise ValueError(f"the mask chooses {len(chosen)} entries, the adapter holds {len(self.values)}")
        self.indices.copy_(chosen)

    def change(self, block: Tensor) -> Tensor:
        flat = self.values.new_zeros(math.prod(self.shape))
        return flat.index_put((self.indices,), self.values).view(self.shape)

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        columns = self.indices.remainder(self.shape[1])
        chosen, position = columns.unique(return_inverse=True)
        rows = self.indices.div(self.shape[1], rounding_mode="floor")
        up = self.values.new_zeros(self.shape[0], len(chosen)).index_put((rows, position), self.values)
        return x[..., chosen].to(self.values.dtype), up
