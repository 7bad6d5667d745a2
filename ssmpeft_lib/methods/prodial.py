"""ProDiaL: a projection behind diagonal-centric transforms, W' = diag(s) W P + LoRA (Ham et al., 2025, 2411.15224).

P is block-diagonal and starts at the identity, s at one. In the authors' code the diagonal of P is 1 - relu(p) with p
zero at the start, where relu has no gradient, so that with blocks of one column, as in their README, P stays what it
is; here every entry of P's blocks is free, and so is s. The transform and the low-rank update are merged exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..adapters.backbone import Backbone
from ..adapters.deltas import LowRank
from ..adapters.method import Method, matrices
from ..adapters.published import Published


@dataclass(frozen=True)
class ProDiaL(Method):
    """A factor for each row, a block-diagonal matrix behind the columns and a low-rank update, for each slot."""

    targets: tuple[str, ...] = ("linear",)
    block_size: int = 1
    """Columns of a block of P; divides the columns of every slot. With 1, P is a diagonal."""
    rank: int = 16
    """Rank of the update beside."""
    alpha: float = 8.0
    """The update is scaled by alpha / rank."""
    dropout: float = 0.1
    """Dropout of the update's input."""

    family = "weights"
    published = Published(
        "Ham et al., CVPR 2025",
        "2411.15224",
        "SeokilHam/ProDiaL",
        "Mamba-1 and Mamba-2 on a GPU, with its own copy of mamba_ssm's modules, trained on commonsense questions",
    )
    learning_rate = 1.5e-2

    def adapt(self, backbone: Backbone) -> None:
        self.check_count("block_size")
        self.check_count("rank")
        self.check_dropout()
        for slot in matrices(backbone, self.targets, "transform of its columns"):
            if slot.shape[-1] % self.block_size:
                raise self.refuse("block_size", f"does not divide the {slot.shape[-1]} columns of {slot.name}")
            dropout = self.dropout if slot.is_linear else 0.0
            backbone.attach(slot, Transformed(slot.shape, self.block_size, self.rank, self.alpha, dropout))


class Transformed(LowRank):
    """`diag(1 + rows) W (I + blocks) + alpha / rank * lora_B @ lora_A - W`, zero at the start.

    Args:
        shape: (rows, columns) of the block, or (count, rows, columns) of a stack.
        block_size: columns of a block of the matrix behind W.
        rank, alpha, dropout: of the low-rank update.
    """

    how = "a transform of rows and columns, and a low-rank update"
    additive = False

    def __init__(self, shape: tuple[int, ...], block_size: int, rank: int, alpha: float, dropout: float = 0.0):
        super().__init__(shape, rank, alpha, dropout)
        *stack, rows, columns = shape
        self.size = block_size
        self.rows = nn.Parameter(torch.zeros(*stack, rows))
        self.blocks = nn.Parameter(torch.zeros(*stack, columns // block_size, block_size, block_size))

    def change(self, block: Tensor) -> Tensor:
        wide, rows = block.to(self.rows.dtype), self.rows[..., None]
        turned = torch.einsum("...onc,...nck->...onk", wide.unflatten(-1, (-1, self.size)), self.blocks).flatten(-2)
        return rows * wide + (1 + rows) * turned + super().change(block)

    def output_change(self, x: Tensor, y: Tensor, block: Tensor) -> Tensor:
        wide = x.to(self.rows.dtype)
        turned = torch.einsum("nck,...nk->...nc", self.blocks, wide.unflatten(-1, (-1, self.size))).flatten(-2)
        hidden, up = self.factors(x)
        return self.rows * y + (1 + self.rows) * F.linear(turned.to(block.dtype), block) + F.linear(hidden, up)
