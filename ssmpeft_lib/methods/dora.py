"""DoRA: LoRA with a learned magnitude for each row of the weight (Liu et al., 2024; Sec. C.6, Tables 16-18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..adapters.backbone import Backbone
from ..adapters.deltas import Magnitude
from ..adapters.slots import Slot
from .lora import LoRA

if TYPE_CHECKING:
    from peft import LoraConfig


@dataclass(frozen=True)
class DoRA(LoRA):
    """One low-rank adapter and one magnitude per output feature for each slot."""

    def delta(self, slot: Slot) -> Magnitude:
        """The update of one slot."""
        if self.pissa:
            raise self.refuse("pissa", "is not combined with magnitudes; leave it out, or use lora")
        return Magnitude(slot.shape, *self.rank_of(slot), self.dropout if slot.is_linear else 0.0)

    def stock_peft(self, backbone: Backbone, use_dora: bool = True) -> LoraConfig:
        return super().stock_peft(backbone, use_dora)
