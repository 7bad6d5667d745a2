"""SDDoRA: SDT on the SSM, DoRA on the projections (Sec. D.7, Table 23)."""

from __future__ import annotations

from dataclasses import dataclass

from .dora import DoRA
from .sdlora import SDLoRA


@dataclass(frozen=True)
class SDDoRA(SDLoRA):
    """Sparse training of the SSM with DoRA on the projections in `targets`."""

    def projections(self) -> DoRA:
        return DoRA(targets=self.targets, rank=self.rank, alpha=self.alpha, dropout=self.dropout)
