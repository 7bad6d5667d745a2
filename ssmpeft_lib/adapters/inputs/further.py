"""Further states of a selective scan, which run beside those of the frozen weights."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .learned import LearnedInMixer


class Further(LearnedInMixer):
    """The further states of one mixer, of each adapter; a submodule of the mixer named `further`."""

    what = "further states, for which the weights have no room,"

    def trained(self) -> Iterator[tuple[str, nn.Module]]:
        for states in self.deltas.values():
            yield from states.named_children()

    def decays(self, A: Tensor) -> Tensor:
        """A [d_inner, d_state] with the columns of the further states behind."""
        return torch.cat([A, *(-torch.exp(states.A_log.values) for states in self._acting())], dim=1)

    def maps(self, u: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
        """B and C [batch, seq_len, d_state] for u [batch, seq_len, d_inner], those of the further states behind."""
        acting = self._acting()
        return _extended(B, u, [s.x_proj_B for s in acting]), _extended(C, u, [s.x_proj_C for s in acting])

    def _acting(self) -> list[nn.Module]:
        return [self.deltas[name] for name in self.acting_names()]


class FurtherStates(nn.Module):
    """Columns of A_log, and rows of the maps of x_proj, for further states (Yoshimura et al., 2025).

    They decay at first as the frozen model's first state does. C starts at zero, so that they are not read.

    Args:
        A_log: frozen values, [d_inner, d_state].
        count: of further states.
    """

    def __init__(self, A_log: Tensor, count: int):
        super().__init__()
        d_inner = len(A_log)
        self.A_log = Entries(A_log.detach()[:, :1].float().expand(-1, count).clone())
        self.x_proj_B = Entries((2 * torch.rand(count, d_inner) - 1) / math.sqrt(d_inner))
        self.x_proj_C = Entries(torch.zeros(count, d_inner))


class Entries(nn.Module):
    """What a parameter of a mixer has more."""

    how = "entries of further states"

    def __init__(self, values: Tensor):
        super().__init__()
        self.values = nn.Parameter(values)


def _extended(of_frozen: Tensor, u: Tensor, entries: list[Entries]) -> Tensor:
    further = [F.linear(u.to(one.values.dtype), one.values).to(of_frozen.dtype) for one in entries]
    return torch.cat([of_frozen, *further], dim=-1)
