"""Small networks beside a mixer: they see what it sees, and their output is added to its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .learned import LearnedInMixer


class Beside(LearnedInMixer):
    """The networks beside one mixer, of each adapter; a submodule of the mixer named `beside`."""

    slot = "beside"
    what = "a network beside a mixer"

    def forward(self, hidden_states: Tensor) -> Tensor | float:
        """What is added to the mixer's output, [batch, seq_len, d_model]; 0.0 for nothing."""
        return sum((self.deltas[name](hidden_states) for name in self.acting_names()), start=0.0)


class Bottleneck(nn.Module):
    """`scale * (up relu(down x + b) + c)`, zero at the start (He et al., 2022; Chen et al., 2022).

    Args:
        d_model: size of what goes in and comes out.
        width: between the two layers.
        scale: of the output.
        dropout: of the hidden units.
    """

    how = "a network beside the mixer"

    def __init__(self, d_model: int, width: int, scale: float, dropout: float = 0.0):
        super().__init__()
        self.down = nn.Parameter(torch.empty(width, d_model))
        self.down_bias = nn.Parameter(torch.zeros(width))
        self.up = nn.Parameter(torch.zeros(d_model, width))
        self.up_bias = nn.Parameter(torch.zeros(d_model))
        self.scale = scale
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """x [..., d_model] -> [..., d_model]."""
        hidden = self.dropout(torch.relu(F.linear(x.to(self.down.dtype), self.down, self.down_bias)))
        return self.scale * F.linear(hidden, self.up, self.up_bias)
