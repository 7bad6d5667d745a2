"""OFT: the inputs of a projection are rotated in blocks, W' = W R^T with orthogonal R (Qiu et al., 2023)."""

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
    from peft import OFTConfig


@dataclass(frozen=True)
class OFT(Method):
    """One rotation for each block of `block_size` columns of a weight, by Cayley's transform of a skew matrix."""

    targets: tuple[str, ...] = ("linear",)
    block_size: int = 32
    """Columns that are rotated together; divides the columns of every slot."""

    family = "weights"
    published = Published(
        "Qiu et al., NeurIPS 2023",
        "2306.07280",
        "huggingface/peft",
        "a tuner of peft, which Mamba's fused kernel passes by on out_proj",
    )
    learning_rate = 5e-3

    def adapt(self, backbone: Backbone) -> None:
        if self.block_size < 2:
            raise self.refuse("block_size", "must be at least 2, or there is nothing to rotate")
        for slot in matrices(backbone, self.targets, "rotation of its columns"):
            if slot.shape[-1] % self.block_size:
                raise self.refuse("block_size", f"does not divide the {slot.shape[-1]} columns of {slot.name}")
            backbone.attach(slot, Rotation(slot.shape, self.block_size))

    def stock_peft(self, backbone: Backbone) -> OFTConfig:
        from peft import OFTConfig

        modules = stock_modules(backbone, self.targets)
        options = {"oft_block_size": self.block_size, "use_cayley_neumann": False}
        return OFTConfig(task_type="CAUSAL_LM", target_modules=modules, **options)


class Rotation(Delta):
    """`W R^T - W` for a block-diagonal R = (I - Q) (I + Q)^-1 of skew Q, with Q = 0 at the start.

    Args:
        shape: (rows, columns) of the block, or (count, rows, columns) of a stack.
        block_size: columns of a block of R.
    """

    how = "a rotation of blocks of columns"
    additive = False

    def __init__(self, shape: tuple[int, ...], block_size: int):
        super().__init__()
        *stack, _, columns = shape
        self.size = block_size
        self.skew = nn.Parameter(torch.zeros(*stack, columns // block_size, block_size * (block_size - 1) // 2))

    def change(self, block: Tensor) -> Tensor:
        turns = self.turns()
        blocks = block.to(turns.dtype).unflatten(-1, (-1, self.size))
        return torch.einsum("...onc,...nkc->...onk", blocks, turns).flatten(-2)

    def output_change(self, x: Tensor, y: Tensor, block: Tensor) -> Tensor:
        turns = self.turns()
        blocks = x.to(turns.dtype).unflatten(-1, (-1, self.size))
        return F.linear(torch.einsum("...nk,nkc->...nc", blocks, turns).flatten(-2).to(block.dtype), block)

    def turns(self) -> Tensor:
        """R - I = -2 Q (I + Q)^-1, [..., blocks, size, size]; not R, as rounding would swallow small turns."""
        # torch solves in no narrower type
        skew = self.skew.to(torch.promote_types(self.skew.dtype, torch.float32))
        rows, columns = torch.triu_indices(self.size, self.size, 1, device=skew.device)
        upper = skew.new_zeros(*skew.shape[:-1], self.size**2)
        upper = upper.index_add(-1, rows * self.size + columns, skew).unflatten(-1, (self.size, self.size))
        Q, identity = upper - upper.mT, torch.eye(self.size, dtype=skew.dtype, device=skew.device)
        return torch.linalg.solve(identity + Q, -2 * Q, left=False)
