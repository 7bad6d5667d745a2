"""Additional-scan: further states run in the scan beside the frozen ones (Yoshimura et al., 2025, arXiv 2411.03855).

A further state is a column of A_log and a row each of W_B and W_C. At first it decays as the frozen model's first state
does (the authors' `copyfirst`) and nothing reads it, as its row of W_C is zero. Where B and C are normed, as in Jamba
and Falcon-Mamba, those of further states are not. In Mamba-2 a state has no decay of its own, so it has no such states.
"""

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from ..adapters.inputs.further import FurtherStates
from ..adapters.method import Method
from ..adapters.published import Published


@dataclass(frozen=True)
class AdditionalScan(Method):
    """As many further states in every layer as are asked for, trained in A_log, W_B and W_C."""

    states: int = 8
    """Further states of each channel, beside the 16 of Mamba."""

    family = "state"
    published = Published(
        "Yoshimura et al., ICLR 2025",
        "2411.03855",
        "sony/MambaPEFT",
        "vision Mamba (Vim, VMamba) and Mamba-1 as a language model, on one GPU, with torch 2.3",
    )
    acts_on_slots = False
    learning_rate = 1.5e-1

    def adapt(self, backbone: Backbone) -> None:
        self.check_count("states")
        for mixer in backbone.mixers:
            mixer.check_further_states()
            (A_log,) = backbone.slots_of(mixer, "dynamics")
            backbone.attach_further(mixer, FurtherStates(A_log.block, self.states))
