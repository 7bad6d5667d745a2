"""VeRA: W' = W + diag(b) B diag(d) A with frozen random A and B that all slots share (Kopiczko et al., 2024)."""

from __future__ import annotations

import math
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
    from peft import VeraConfig


@dataclass(frozen=True)
class VeRA(Method):
    """Two vectors for each slot; A and B are drawn from `seed` and are not saved."""

    targets: tuple[str, ...] = ("linear",)
    rank: int = 256
    """Rank of the update."""
    d_initial: float = 0.1
    """Value of every entry of d at the start; b is 0."""
    dropout: float = 0.0
    """Dropout of the input of A."""
    seed: int = 0
    """What A and B are drawn from; an adapter that is loaded draws them again."""

    family = "weights"
    published = Published(
        "Kopiczko et al., ICLR 2024",
        "2310.11454",
        "huggingface/peft",
        "a tuner of peft, which Mamba's fused kernel passes by on out_proj",
    )
    learning_rate = 1.5e-1

    def adapt(self, backbone: Backbone) -> None:
        self.check_count("rank")
        if not 0 <= self.seed < 2**62:
            raise self.refuse("seed", "must be at least 0 and below 2 ** 62")
        self.check_dropout()
        slots = matrices(backbone, self.targets, "update by shared matrices")
        rows, columns = (max(slot.shape[axis] for slot in slots) for axis in (-2, -1))
        A, B = _drawn(self.rank, columns, self.seed), _drawn(rows, self.rank, self.seed + 1)
        for slot in slots:
            dropout = self.dropout if slot.is_linear else 0.0
            backbone.attach(slot, Scaled(slot.shape, A, B, self.d_initial, dropout))

    def stock_peft(self, backbone: Backbone) -> VeraConfig:
        from peft import VeraConfig

        modules = stock_modules(backbone, self.targets)
        options = {"r": self.rank, "d_initial": self.d_initial, "vera_dropout": self.dropout}
        return VeraConfig(task_type="CAUSAL_LM", target_modules=modules, **options)


class Scaled(Delta):
    """`diag(vera_b) @ B @ diag(vera_d) @ A`, with `vera_b = 0` at the start.

    Args:
        shape: (rows, columns) of the block, or (count, rows, columns) of a stack.
        A, B: [rank, at least columns] and [at least rows, rank], of which the first entries are taken.
        d_initial: value of `vera_d` at the start.
        dropout: of the input of A; used on outputs only.
    """

    how = "two vectors that scale shared matrices"

    def __init__(self, shape: tuple[int, ...], A: Tensor, B: Tensor, d_initial: float, dropout: float = 0.0):
        super().__init__()
        *stack, rows, columns = shape
        self.vera_d = nn.Parameter(torch.full((*stack, len(A)), d_initial))
        self.vera_b = nn.Parameter(torch.zeros(*stack, rows))
        self.register_buffer("A", A[:, :columns], persistent=False)
        self.register_buffer("B", B[:rows], persistent=False)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def change(self, block: Tensor) -> Tensor:
        return self._up() @ self.A

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(self.dropout(x.to(self.A.dtype)), self.A), self._up()

    def _up(self) -> Tensor:
        return self.vera_b[..., None] * self.B * self.vera_d[..., None, :]


def _drawn(rows: int, columns: int, seed: int) -> Tensor:
    """A matrix with the spread that the authors give theirs: uniform, of variance 2 / columns."""
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(rows, columns, generator=generator, device="cpu") - 1) * math.sqrt(6 / columns)
