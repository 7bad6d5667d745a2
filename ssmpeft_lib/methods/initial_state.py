"""Initial state tuning: the state before the first token is learned (Sec. 4.1); it covers prefix-tuning (Prop. 1)."""

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from ..adapters.inputs.starts import LearnedStart
from ..adapters.method import Method


@dataclass(frozen=True)
class InitialState(Method):
    """One state of the scan per layer, zero at the start."""

    conv_state: bool = False
    """Whether to learn what the convolution holds before the first token as well."""

    family = "prompt"
    acts_on_slots = False
    learning_rate = 0.15

    def adapt(self, backbone: Backbone) -> None:
        for mixer in backbone.mixers:
            columns = mixer.columns_shape if self.conv_state else None
            backbone.attach_start(mixer, LearnedStart(mixer.state_shape, columns))
