"""SDLoRA: SDT on the SSM, LoRA on the projections (Sec. 5; Sec. D.4: LoRA of rank 8 on out_proj only)."""

from __future__ import annotations

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from ..adapters.selection.choice import Choice, choices
from .lora import LoRA
from .sdt import SDT


@dataclass(frozen=True)
class SDLoRA(SDT):
    """Sparse training of the SSM with low-rank updates of the projections in `targets`."""

    targets: tuple[str, ...] = ("out_proj",)
    rank: int = 8
    """Rank of the updates (Sec. C.1)."""
    alpha: float = 8.0
    """The updates are scaled by alpha / rank (Sec. C.1)."""
    dropout: float = 0.1
    """Dropout of the updates' input (Sec. C.1)."""

    def choices(self, backbone: Backbone) -> list[Choice]:
        """Return the selections of SDT without columns of projections, which get low-rank updates instead."""
        return choices(backbone, [])

    def adapt_projections(self, backbone: Backbone) -> None:
        self.projections().adapt(backbone)

    def projections(self) -> LoRA:
        """The method that adapts the projections."""
        return LoRA(targets=self.targets, rank=self.rank, alpha=self.alpha, dropout=self.dropout)
