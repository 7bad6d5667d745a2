"""Parallel adapter: a small network beside each mixer, whose output is added to the mixer's (He et al., 2022).

The form is AdaptFormer's (Chen et al., 2022), scale * up(relu(down(x))), which MambaPEFT puts beside the mixers of
Mamba (Yoshimura et al., 2025, arXiv 2411.03855).
"""

from dataclasses import dataclass

from ..adapters.backbone import Backbone
from ..adapters.inputs.networks import Bottleneck
from ..adapters.method import Method
from ..adapters.published import Published

FAMILIES = {
    "adapter": {
        "label": "Adapters beside", "light": "#9c2f2f", "dark": "#f29a9a", "mark": '<path d="M-2.5-5H2.5V5H-2.5Z"/>',
        "glyph": "width: 0.45em; height: 0.8em; border-radius: 0;",
    },
}  # fmt: skip


@dataclass(frozen=True)
class ParallelAdapter(Method):
    """Two linear layers with biases and a relu between them beside each mixer, zero at the start."""

    width: int = 32
    """Hidden units: 32 in MambaPEFT."""
    scale: float = 0.1
    """What the output is multiplied with: 0.1 in MambaPEFT."""
    dropout: float = 0.0
    """Dropout of the hidden units."""

    family = "adapter"
    published = Published(
        "Yoshimura et al., ICLR 2025, after He et al., ICLR 2022",
        "2411.03855",
        "sony/MambaPEFT",
        "vision Mamba (Vim, VMamba), on one GPU",
    )
    acts_on_slots = False
    learning_rate = 1.5e-2

    def adapt(self, backbone: Backbone) -> None:
        self.check_count("width")
        if self.scale == 0:
            raise self.refuse("scale", "must not be 0, or the adapter does nothing")
        self.check_dropout()
        for mixer in backbone.mixers:
            network = Bottleneck(mixer.model_width, self.width, self.scale, self.dropout)
            backbone.attach_beside(mixer, network)
