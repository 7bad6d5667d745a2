"""MiSS: blocks of columns share one update, W'[i, j] = W[i, j] + D[j mod rank, i] (Kang and Yin, 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..adapters.backbone import Backbone
from ..adapters.deltas import Delta
from ..adapters.method import Method, matrices, stock_modules
from ..adapters.published import Published

if TYPE_CHECKING:
    from peft import MissConfig


@dataclass(frozen=True)
class MiSS(Method):
    """One matrix of `rank` rows for each slot, which all blocks of `rank` columns share."""

    targets: tuple[str, ...] = ("linear",)
    rank: int = 64
    """Columns of a block, and rank of the update."""
    dropout: float = 0.0
    """Dropout of the adapter's input."""

    family = "weights"
    published = Published(
        "Kang and Yin, 2024 (first called Bone)",
        "2409.15371",
        "huggingface/peft",
        "a tuner of peft, which Mamba's fused kernel passes by on out_proj",
    )
    learning_rate = 5e-3

    def adapt(self, backbone: Backbone) -> None:
        if self.rank < 1:
            raise self.refuse("rank", "must be at least 1")
        self.check_dropout()
        for slot in matrices(backbone, self.targets, "block of columns"):
            if self.rank > slot.shape[-1]:
                raise self.refuse("rank", f"is larger than the {slot.shape[-1]} columns of {slot.name}; lower it")
            backbone.attach(slot, Shards(slot.shape, self.rank, self.dropout if slot.is_linear else 0.0))

    def stock_peft(self, backbone: Backbone) -> MissConfig:
        from peft import MissConfig

        modules = stock_modules(backbone, self.targets)
        return MissConfig(task_type="CAUSAL_LM", target_modules=modules, r=self.rank, miss_dropout=self.dropout)


class Shards(Delta):
    """The same `miss.T` for every block of `rank` columns, zero at the start.

    Args:
        shape: (rows, columns) of the block, or (count, rows, columns) of a stack.
        rank: columns of a block; the last block may have fewer.
        dropout: of the input; used on outputs only.
    """

    how = "an update that blocks of columns share"

    def __init__(self, shape: tuple[int, ...], rank: int, dropout: float = 0.0):
        super().__init__()
        *stack, rows, self.columns = shape
        self.blocks = -(-self.columns // rank)
        self.miss = nn.Parameter(torch.zeros(*stack, rank, rows))
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def change(self, block: Tensor) -> Tensor:
        return torch.cat([self.miss.mT] * self.blocks, dim=-1)[..., : self.columns]

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        rank = self.miss.shape[-2]
        padded = F.pad(self.dropout(x.to(self.miss.dtype)), (0, self.blocks * rank - self.columns))
        return padded.unflatten(-1, (self.blocks, rank)).sum(-2), self.miss.mT
