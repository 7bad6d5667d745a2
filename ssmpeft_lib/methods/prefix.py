"""Prefix-tuning: learned vectors in front of every mixer's own sequence (Li and Liang, 2021; Sec. 4 and Table 7).

An SSM has no keys and values, so the paper's prefix lives where the mixer's sequence lives: behind in_proj, in the
space of the channels. The counts in the paper's tables fix the two forms (22.69 % and 0.03 % of Mamba-130M).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..adapters.backbone import Backbone
from ..adapters.inputs.starts import Start
from ..adapters.method import Method

if TYPE_CHECKING:
    from peft import PrefixTuningConfig


@dataclass(frozen=True)
class Prefix(Method):
    """A prefix of `tokens` vectors per layer, plain or through a small network per layer on a shared embedding."""

    tokens: int = 64
    """Length of the prefix: 1 on GLUE and for Mamba-2.8B, else 64."""
    mlp: bool = True
    """Reparametrise: one embedding for all layers, and one MLP of width `hidden` for each."""
    hidden: int = 512
    """Width of the MLP; 512 reproduces the printed parameter counts."""

    family = "prompt"
    acts_on_slots = False
    starts_unchanged = False
    learning_rate = 5e-3

    def rate(self) -> float:
        # without the network, it is the prefix itself that has to move
        return self.learning_rate if self.mlp else 0.5

    def adapt(self, backbone: Backbone) -> None:
        for option in ("tokens", "hidden"):
            self.check_count(option)
        shared: dict[int, SharedEmbedding] = {}
        for mixer in backbone.mixers:
            width = mixer.prefix_width
            if not self.mlp:
                vectors = PrefixVectors(self.tokens, width)
            elif width in shared:
                vectors = PrefixNetwork(shared[width], self.hidden)
            else:
                shared[width] = SharedEmbedding(self.tokens, width)
                vectors = PrefixNetwork(shared[width], self.hidden)
                # one layer owns the embedding, so that it is saved, counted and moved once
                # (not under the name `embedding`, which Mamba rewrites on loading)
                vectors.shared_tokens = shared[width]
            backbone.attach_start(mixer, PrefixStart(vectors))

    def stock_peft(self, backbone: Backbone) -> PrefixTuningConfig:
        from peft import PrefixTuningConfig

        # peft asks for a number of heads, which an SSM does not have
        heads = getattr(backbone.model.config, "num_attention_heads", 1)
        return PrefixTuningConfig(
            task_type="CAUSAL_LM", num_virtual_tokens=self.tokens, num_attention_heads=heads, prefix_projection=self.mlp
        )


class PrefixVectors(nn.Module):
    """A prefix that is learned as it is, [tokens, channels]."""

    def __init__(self, tokens: int, width: int):
        super().__init__()
        self.prefix = nn.Parameter(0.02 * torch.randn(tokens, width))

    def forward(self) -> Tensor:
        return self.prefix


class SharedEmbedding(nn.Module):
    """The embedding that the networks of all layers read, [tokens, channels]."""

    def __init__(self, tokens: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(tokens, width))


class PrefixNetwork(nn.Module):
    """A prefix computed from an embedding that all layers share, [tokens, channels]."""

    def __init__(self, shared: SharedEmbedding, hidden: int):
        super().__init__()
        width = shared.weight.shape[1]
        # not a submodule: one layer owns it
        object.__setattr__(self, "shared", shared)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, width))

    def forward(self) -> Tensor:
        return self.mlp(self.shared.weight)


class PrefixStart(nn.Module):
    """The states that a mixer holds after its prefix: the convolution and the scan are causal, so nothing else of the
    prefix reaches the sequence behind it."""

    how = "the state that a learned prefix leaves behind"

    def __init__(self, vectors: nn.Module):
        super().__init__()
        self.vectors = vectors

    def forward(self, mixer: nn.Module, dtype: torch.dtype | None = None) -> Start:
        # the prefix stands in one sequence with what follows, so it runs through the mixer in the same type
        return mixer.start_after(self.vectors().to(dtype=dtype))
