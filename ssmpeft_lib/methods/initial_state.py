"""Initial state tuning: the state before the first token is learned (Sec. 4.1); it covers prefix-tuning (Prop. 1).

With `scale` and `l2` it is S0 tuning (Young, 2026, arXiv 2604.01168).
"""

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from ..adapters.inputs.starts import LearnedStart
from ..adapters.method import Method


@dataclass(frozen=True)
class InitialState(Method):
    """One state of the scan per layer, zero at the start."""

    conv_state: bool = False
    """Whether to learn what the convolution holds before the first token as well."""

    scale: float = 1.0
    """What the learned state is multiplied with in evaluation, not in training: alpha of S0 tuning, 0.65 on Mamba-2."""
    l2: float = 0.0
    """Weight of the sum of the state's squares in the loss: 5e-4 in S0 tuning. Each backward pass adds it once."""

    family = "prompt"
    acts_on_slots = False
    learning_rate = 0.15

    def adapt(self, backbone: Backbone) -> None:
        if self.l2 < 0:
            raise self.refuse("l2", "must be at least 0")
        for mixer in backbone.mixers:
            columns = mixer.columns_shape if self.conv_state else None
            backbone.attach_start(mixer, LearnedStart(mixer.state_shape, columns, self.scale, self.l2))
