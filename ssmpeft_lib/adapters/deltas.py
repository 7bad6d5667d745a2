"""Deltas: trainable changes of one slot. Each is zero at the start and can be merged into the weight it changes."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Delta(nn.Module):
    """A change of a slot's block of a weight.

    A linear slot is changed on its output where the delta knows how, which needs no gradient of the full weight.
    Any other slot, and any merge, changes the weight itself.
    """

    how: ClassVar[str]
    """What it trains of a slot, in a few words, for the book."""

    on_output = True
    """Whether a linear layer adds it to its output; otherwise the layer runs with a changed weight."""

    additive = True
    """Whether the change is the same whatever the weight is. Then a linear layer adds `h @ up.T` to its output, with
    `(h, up) = factors(x)`; otherwise `output_change`."""

    reads_weight = False
    """Whether it has to know the frozen values to begin with."""

    replaces = False
    """True when it stands for training the weight itself and adds no parameters to the model."""

    def change(self, block: Tensor) -> Tensor:
        """What is added to the frozen `block`; same shape as the block."""
        raise NotImplementedError

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(h, up)`: the output changes by `h @ up.T`; h is [..., k], up is [rows, k].

        Asked of additive deltas that act on the output.
        """
        raise NotImplementedError

    def output_change(self, x: Tensor, y: Tensor, block: Tensor) -> Tensor:
        """What is added to `y`, the rows' frozen output without bias, [..., rows]; `block` is their frozen weight.

        Asked of deltas that act on the output and are not additive.
        """
        raise NotImplementedError

    def start_at(self, block: Tensor) -> None:
        """Take what the delta needs to know of the frozen block when it is put in place; by default nothing."""


class LowRank(Delta):
    """`alpha / rank * lora_B @ lora_A`, with `lora_B = 0` at the start (Hu et al., 2021; Sec. C.1).

    Args:
        shape: (rows, columns) of the block, or (count, rows, columns) of a stack, which gets one update a matrix.
        rank: of the change, at least 1.
        alpha: numerator of the scale.
        dropout: probability with which an input is dropped on the way to `lora_A`; used on outputs only.
    """

    how = "a low-rank update"

    def __init__(self, shape: tuple[int, ...], rank: int, alpha: float, dropout: float = 0.0):
        super().__init__()
        *stack, rows, columns = shape
        check_rank(rank, rows, columns)
        self.lora_A = nn.Parameter(torch.empty(*stack, rank, columns))
        self.lora_B = nn.Parameter(torch.zeros(*stack, rows, rank))
        self.scaling = alpha / rank
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        for matrix in self.lora_A.view(-1, rank, columns):
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))

    def change(self, block: Tensor) -> Tensor:
        return self.scaling * (self.lora_B @ self.lora_A)

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(self.dropout(x.to(self.lora_A.dtype)), self.lora_A), self.scaling * self.lora_B


class Principal(LowRank):
    """A low-rank update that starts from the largest singular vectors of the frozen block (PiSSA, Meng et al., 2024).

    What it starts from is taken off again, `scaling * (lora_B @ lora_A - B_0 @ A_0)`, which is training the principal
    part over a frozen rest. B_0 and A_0 follow from the frozen block and are computed anew where an adapter is loaded.
    """

    how = "a low-rank update from singular vectors"
    reads_weight = True

    def __init__(self, shape: tuple[int, ...], rank: int, alpha: float, dropout: float = 0.0):
        super().__init__(shape, rank, alpha, dropout)
        if rank > min(shape[-2:]):
            raise ValueError(f"rank {rank} is larger than a side of the weight, {shape[-2]} x {shape[-1]}; lower it")
        self.register_buffer("A_0", torch.empty(self.lora_A.shape), persistent=False)
        self.register_buffer("B_0", torch.empty(self.lora_B.shape), persistent=False)

    @torch.no_grad()
    def start_at(self, block: Tensor) -> None:
        """Start from the singular vectors, each side scaled by the root of the singular value."""
        rank = self.lora_A.shape[-2]
        U, S, V = torch.linalg.svd(block.to(self.lora_A.dtype), full_matrices=False)
        root = (S[..., :rank] / self.scaling).sqrt()
        self.B_0, self.A_0 = U[..., :rank] * root[..., None, :], root[..., None] * V[..., :rank, :]
        self.lora_A.copy_(self.A_0)
        self.lora_B.copy_(self.B_0)

    def change(self, block: Tensor) -> Tensor:
        return super().change(block) - self.scaling * (self.B_0 @ self.A_0)

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden, up = super().factors(x)
        started = F.linear(x.to(self.A_0.dtype), self.A_0)
        return torch.cat([hidden, started], -1), torch.cat([up, -self.scaling * self.B_0], -1)


class ComplexLowRank(Delta):
    """A low-rank update of a complex matrix, which a slot holds as pairs side by side, [rows, 2 columns]."""

    how = "a low-rank update of complex numbers"

    def __init__(self, shape: tuple[int, int], rank: int, alpha: float):
        super().__init__()
        rows, columns = shape[0], shape[1] // 2
        check_rank(rank, rows, columns)
        self.lora_A = nn.Parameter(torch.empty(rank, columns, 2))
        self.lora_B = nn.Parameter(torch.zeros(rows, rank, 2))
        self.scaling = alpha / rank
        nn.init.kaiming_uniform_(self.lora_A.view(rank, -1), a=math.sqrt(5))

    def change(self, block: Tensor) -> Tensor:
        product = torch.view_as_complex(self.lora_B) @ torch.view_as_complex(self.lora_A)
        return self.scaling * torch.view_as_real(product).flatten(1)


class Magnitude(LowRank):
    """DoRA: `magnitude * (W + BA) / |W + BA|` by rows, the norm held constant in the gradient (Liu et al., 2024).

    A row of zeros has no direction; it is left as it is until BA gives it one.
    """

    how = "a low-rank update and a magnitude for each row"
    additive = False

    def __init__(self, shape: tuple[int, ...], rank: int, alpha: float, dropout: float = 0.0):
        super().__init__(shape, rank, alpha, dropout)
        self.magnitude = nn.Parameter(torch.ones(shape[:-1]))

    def start_at(self, block: Tensor) -> None:
        """Set the magnitudes to the row norms of the frozen block, so that nothing changes at the start."""
        with torch.no_grad():
            self.magnitude.copy_(torch.linalg.vector_norm(block.to(self.magnitude.dtype), dim=-1))

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
        return self._scale(block)[..., None] * (frozen + super().change(block)) - frozen

    def _scale(self, block: Tensor) -> Tensor:
        changed = block.detach().to(self.lora_A.dtype) + super().change(block).detach()
        norm = torch.linalg.vector_norm(changed, dim=-1)
        has_none = norm == 0
        # what is divided by is set before, as the gradient of a quotient by zero would be no number
        return torch.where(has_none, 1.0, self.magnitude / norm.masked_fill(has_none, 1.0))


class Dense(Delta):
    """Every entry of the block is trained; the delta starts at zero and stands for the weight itself."""

    how = "every entry"
    on_output = False
    replaces = True

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.delta = nn.Parameter(torch.zeros(shape))

    def change(self, block: Tensor) -> Tensor:
        return self.delta


def check_rank(rank: int, rows: int, columns: int) -> None:
    """Raise a ValueError when a rank is larger than both sides of a weight."""
    if rank > max(rows, columns):
        raise ValueError(f"rank {rank} is larger than both sides of the weight, {rows} x {columns}; lower it")
