"""Output-offset tuning: a learned vector is added to the scan's output at every token (Kang et al., 2025).

It is the variant y of state-offset tuning (arXiv 2503.03499): y_t = C_t h_t + D u_t + y', in front of the gate.
"""

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from ..adapters.inputs.offsets import OutputOffset
from ..adapters.method import Method
from .state_offset import StateOffsetTuning


@dataclass(frozen=True)
class OutputOffsetTuning(Method):
    """One number per channel and layer, zero at the start."""

    family = "state"
    published = StateOffsetTuning.published
    acts_on_slots = False
    learning_rate = 5e-2

    def adapt(self, backbone: Backbone) -> None:
        for mixer in backbone.mixers:
            backbone.attach_offset(mixer, OutputOffset(mixer.output_shape))
