"""BitFit: only biases are trained (Ben Zaken et al., 2022).

In Mamba these are the biases of conv1d and of dt_proj (Sec. 4), in deep S4 those of the linear layers.
"""

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from ..adapters.deltas import Dense
from ..adapters.method import Method


@dataclass(frozen=True)
class BitFit(Method):
    """Trains the biases of the mixers; in deep S4 those of encoder and decoder as well."""

    targets: tuple[str, ...] = ("bias",)

    family = "bias"
    learning_rate = 1e-1

    def adapt(self, backbone: Backbone) -> None:
        for slot in backbone.slots(self.targets, within_group=lambda slot: slot.is_bias):
            backbone.attach(slot, Dense(slot.shape))
