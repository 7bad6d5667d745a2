"""Affix-tuning: learned tokens stand in front of every mixer's input and are dropped behind it.

MambaPEFT (Yoshimura et al., 2025, arXiv 2411.03855) adds tokens inside each mixer, whose outputs are thrown away. A
causal mixer sees only those in front, and of them only the states that they leave behind; tokens behind the input
would change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ..adapters.backbone import Backbone
from ..adapters.inputs.starts import Start
from ..adapters.method import Method
from .additional_scan import AdditionalScan
from .prefix import PrefixVectors


@dataclass(frozen=True)
class Affix(Method):
    """As many learned tokens per layer as are asked for, in the space of the mixer's input or of its channels."""

    tokens: int = 3
    """Learned tokens of each layer: 3 in the authors' configurations for Vim-S."""
    space: str = "d_model"
    """`d_model` for tokens that go through in_proj, `d_inner` for tokens behind it, as those of a prefix are."""

    family = "prompt"
    published = AdditionalScan.published
    acts_on_slots = False
    starts_unchanged = False
    learning_rate = 1.5e-1

    def adapt(self, backbone: Backbone) -> None:
        self.check_count("tokens")
        if self.space not in ("d_model", "d_inner"):
            raise self.refuse("space", "must be d_model or d_inner")
        for mixer in backbone.mixers:
            width = mixer.model_width if self.space == "d_model" else mixer.prefix_width
            backbone.attach_start(mixer, AffixStart(PrefixVectors(self.tokens, width), self.space == "d_model"))


class AffixStart(nn.Module):
    """The states that a mixer holds after learned tokens.

    Args:
        vectors: the tokens.
        projected: whether they go through in_proj.
    """

    how = "the state that learned tokens leave behind"

    def __init__(self, vectors: PrefixVectors, projected: bool):
        super().__init__()
        self.vectors = vectors
        self.projected = projected

    def forward(self, mixer: nn.Module, dtype: torch.dtype | None = None) -> Start:
        tokens = self.vectors().to(dtype=dtype)
        return mixer.start_after(mixer.behind_in_proj(tokens) if self.projected else tokens)
