"""LoRA+: LoRA with a larger learning rate for B than for A (Hayou et al., 2024; Sec. D.8, Table 24)."""

from __future__ import annotations

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from .lora import LoRA


@dataclass(frozen=True)
class LoRAPlus(LoRA):
    """LoRA, trained with `ratio` times the learning rate on lora_B."""

    ratio: float = 16.0
    """Learning rate of lora_B over that of the rest. The paper does not say; Hayou et al. recommend 16."""

    def adapt(self, backbone: Backbone) -> None:
        if self.ratio <= 0:
            raise self.refuse("ratio", "must be above 0")
        super().adapt(backbone)

    def learning_rate_factor(self, parameter: str) -> float:
        return self.ratio if parameter.endswith("lora_B") else 1.0
