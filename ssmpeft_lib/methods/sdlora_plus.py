"""SDLoRA+: SDT on the SSM, LoRA+ on the projections (Sec. D.8, Table 24)."""

from __future__ import annotations

from dataclasses import dataclass

from .lora_plus import LoRAPlus
from .sdlora import SDLoRA


@dataclass(frozen=True)
class SDLoRAPlus(SDLoRA):
    """SDLoRA, trained with `ratio` times the learning rate on lora_B."""

    ratio: float = 16.0
    """Learning rate of lora_B over that of the rest."""

    def projections(self) -> LoRAPlus:
        return LoRAPlus(targets=self.targets, rank=self.rank, alpha=self.alpha, dropout=self.dropout, ratio=self.ratio)

    def learning_rate_factor(self, parameter: str) -> float:
        return self.projections().learning_rate_factor(parameter)
