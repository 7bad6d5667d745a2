"""LoRA: W' = W + (alpha / rank) B A, with B = 0 at the start (Hu et al., 2021; this paper, Sec. C.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..adapters.backbone import Backbone
from ..adapters.deltas import ComplexLowRank, LowRank, Principal, check_rank
from ..adapters.method import Method, matrices, stock_modules, train_fully
from ..adapters.slots import Slot

if TYPE_CHECKING:
    from peft import LoraConfig


@dataclass(frozen=True)
class LoRA(Method):
    """One low-rank adapter for each slot, also for each block of a fused projection (the paper counts them so)."""

    targets: tuple[str, ...] = ("linear",)
    rank: int = 8
    """Rank of the update (Sec. C.1)."""
    rank_ssm: int = 0
    """Rank of the updates of what is no projection, such as an S4's A and C (Sec. D.3); 0 for `rank`."""
    alpha: float = 8.0
    """The update is scaled by alpha / rank (Sec. C.1)."""
    dropout: float = 0.1
    """Dropout of the adapter's input (Sec. C.1)."""
    also: str = ""
    """Slots or groups, joined by dots, that are trained in full as well."""
    rslora: bool = False
    """Whether to scale the update by alpha / sqrt(rank) instead (rsLoRA, Kalajdzievski, 2023; not in the paper)."""
    pissa: bool = False
    """Whether to start from the largest singular vectors of a weight (PiSSA, Meng et al., 2024; not in the paper)."""

    family = "lora"
    learning_rate = 1.5e-2
    learning_rates = {"ssm": 3e-2, "x_proj": 5e-2, "dt_proj": 5e-2}

    def adapt(self, backbone: Backbone) -> None:
        if self.rank < 1:
            raise self.refuse("rank", "must be at least 1")
        if self.rank_ssm < 0:
            raise self.refuse("rank_ssm", "must be at least 1, or 0 for the rank of the others")
        if self.alpha <= 0:
            raise self.refuse("alpha", "must be above 0, or the update is always zero")
        self.check_dropout()
        for slot in matrices(backbone, self.targets, "low-rank update"):
            backbone.attach(slot, self.delta(slot))
        train_fully(backbone, self.also)

    def delta(self, slot: Slot) -> LowRank:
        """The update of one slot. Dropout acts on a layer's input, so a raw parameter has none."""
        rank, alpha = self.rank_of(slot)
        if slot.is_complex:
            if self.pissa:
                raise self.refuse("pissa", f"starts from singular vectors, and {slot.name} holds complex numbers")
            return ComplexLowRank(slot.shape, rank, alpha)
        kind = Principal if self.pissa else LowRank
        return kind(slot.shape, rank, alpha, self.dropout if slot.is_linear else 0.0)

    @property
    def scaling(self) -> float:
        """What the product of the two matrices is multiplied with."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)

    def rank_of(self, slot: Slot) -> tuple[int, float]:
        """The rank of a slot's update, and the alpha that gives it the scale of all others."""
        rank = self.rank if slot.is_projection else self.rank_ssm or self.rank
        # before a number of a thousand digits becomes a float
        check_rank(rank, *slot.shape[-2:])
        return rank, self.scaling * rank

    def stock_peft(self, backbone: Backbone, use_dora: bool = False) -> LoraConfig:
        from peft import LoraConfig

        slots = backbone.slots(self.targets, within_group=lambda slot: slot.is_projection)
        parameters = sorted({slot.path.removeprefix(f"{slot.part}.") for slot in slots if not slot.attribute})
        return LoraConfig(
            task_type="CAUSAL_LM",
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=0.0 if parameters else self.dropout,
            use_dora=use_dora,
            use_rslora=self.rslora,
            init_lora_weights="pissa" if self.pissa else True,
            target_modules=stock_modules(backbone, self.targets),
            target_parameters=parameters or None,
        )
