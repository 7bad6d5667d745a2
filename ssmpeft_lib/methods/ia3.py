"""IA3: each output of a projection gets a learned factor, W' = diag(1 + l) W ((IA)^3 of Liu et al., 2022).

A bias, which projections of Mamba do not have, is a slot of its own and is not scaled; peft scales it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..adapters.backbone import Backbone
from ..adapters.deltas import Delta
from ..adapters.method import Method, matrices, stock_modules
from ..adapters.published import Published

if TYPE_CHECKING:
    from peft import IA3Config

FAMILIES = {
    "weights": {
        "label": "Other updates of weights", "light": "#7a5200", "dark": "#e0b04c", "mark": '<path d="M-5-4H5L0 5Z"/>',
        "glyph": "width: 0.76em; height: 0.68em; border-radius: 0; clip-path: polygon(0 0, 100% 0, 50% 100%);",
    },
}  # fmt: skip


@dataclass(frozen=True)
class IA3(Method):
    """One factor for each row of a weight, 1 at the start."""

    targets: tuple[str, ...] = ("linear",)

    family = "weights"
    published = Published(
        "Liu et al., NeurIPS 2022",
        "2205.05638",
        "huggingface/peft",
        "a tuner of peft, which Mamba's fused kernel passes by on out_proj",
    )
    learning_rate = 1.5e-1

    def adapt(self, backbone: Backbone) -> None:
        for slot in matrices(backbone, self.targets, "row to scale"):
            backbone.attach(slot, RowFactors(slot.shape))

    def stock_peft(self, backbone: Backbone) -> IA3Config:
        from peft import IA3Config

        modules = stock_modules(backbone, self.targets)
        return IA3Config(task_type="CAUSAL_LM", target_modules=modules, feedforward_modules=[])


class RowFactors(Delta):
    """`diag(rows) @ W` is added, with `rows = 0` at the start.

    Args:
        shape: (rows, columns) of the block, or (count, rows, columns) of a stack.
    """

    how = "a factor for each row"
    additive = False

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.rows = nn.Parameter(torch.zeros(shape[:-1]))

    def change(self, block: Tensor) -> Tensor:
        return self.rows[..., None] * block

    def output_change(self, x: Tensor, y: Tensor, block: Tensor) -> Tensor:
        return self.rows * y
