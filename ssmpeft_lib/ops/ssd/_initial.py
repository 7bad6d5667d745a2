"""What an initial state adds to the outputs where each document of a row starts from it.

The scan is linear in its state, so the outputs are those from zero and this; autograd differentiates it.
"""

from __future__ import annotations

from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops._layout import last_start


def step_sizes(delta: Tensor, bias: Tensor | None, softplus: bool, limit: tuple[float, float]) -> Tensor:
    """The step sizes of the scan, [batch, seq_len, heads]."""
    if bias is not None:
        delta = delta + bias
    if softplus:
        delta = F.softplus(delta)
    return delta.clamp(*limit) if limit != (0.0, inf) or not softplus else delta


def response(delta: Tensor, A: Tensor, C: Tensor, starts: Tensor, initial_state: Tensor) -> tuple[Tensor, Tensor]:
    """What is left of the initial state in the outputs, and after the last step.

    Args:
        delta: step sizes, [batch, seq_len, heads].
        A: [heads].
        C: [batch, seq_len, groups, d_state].
        starts: where documents start, bool [batch, seq_len].
        initial_state: [batch or 1, heads, head_dim, d_state].
    Returns:
        [batch, seq_len, heads, head_dim] and [batch, heads, head_dim, d_state], in the type of the initial state.
    """
    heads, groups = delta.shape[2], C.shape[2]
    log_decay = (delta * A).double()
    since_row = log_decay.cumsum(1)
    first = last_start(starts).unsqueeze(-1).expand_as(since_row)
    since_start = torch.exp(since_row - (since_row - log_decay).gather(1, first)).to(initial_state.dtype)
    states = initial_state.unflatten(1, (groups, heads // groups))
    read = torch.einsum("blgn,bghpn->blghp", C.to(states.dtype), states.expand(len(C), -1, -1, -1, -1))
    last = since_start[:, -1:].sum(1)[..., None, None] * initial_state
    return read.flatten(2, 3) * since_start.unsqueeze(-1), last
