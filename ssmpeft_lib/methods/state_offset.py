"""State-offset tuning: a learned offset of the state is read at every token (Kang et al., 2025, arXiv 2503.03499).

The output becomes y_t = C_t (h_t + h') + D u_t, in front of the gate. The recurrence does not see h', so that its
effect does not fade as that of an initial state does, and the cache stays what it was.
"""

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from ..adapters.inputs.offsets import StateOffset
from ..adapters.method import Method
from ..adapters.published import Published

FAMILIES = {
    "state": {
        "label": "State-based", "light": "#6b4fa3", "dark": "#b9a1ee", "mark": '<path d="M-5-3H5V3H-5Z"/>',
        "glyph": "width: 0.8em; height: 0.5em; border-radius: 0;",
    },
}  # fmt: skip


@dataclass(frozen=True)
class StateOffsetTuning(Method):
    """One offset of the state per layer, zero at the start."""

    low_rank: int = 0
    """Rank of the offset as a matrix with a row for each channel and a column for each state; 0 for a full one."""

    family = "state"
    published = Published(
        "Kang et al., ACL 2025",
        "2503.03499",
        "furiosa-ai/ssm-state-tuning",
        "Mamba-1 on a GPU, with its own copy of mamba_ssm, torch 1.13 and peft 0.9",
    )
    acts_on_slots = False
    learning_rate = 1.5e-2

    def adapt(self, backbone: Backbone) -> None:
        if self.low_rank < 0:
            raise self.refuse("low_rank", "must be at least 1, or 0 for a full offset")
        for mixer in backbone.mixers:
            backbone.attach_offset(mixer, StateOffset(mixer.state_shape, mixer.output_shape, self.low_rank))
