"""Kinds of mixers, one file each: where the paper's matrices live in them, and how every adapter acts in them.

A file of this folder is a kind: of SSM mixers (s6, ssd, s4d), or of what stands beside them in hybrid models
(attention, mlp, experts). It has what `MixerKind` says; a function without "by default" has to be there. Start from
attention.py for a mixer whose own forward calls its modules, and from s6.py for one that needs another forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Protocol

from torch import Tensor, nn

from ..adapters.slots import SlotSpec

__all__ = ["GROUP_NAMES", "MixerKind"]

GROUP_NAMES = {
    "ssm": "the state space model: all that the warm-up of SDT may train. A kind that has it is one of SSM mixers",
    "linear": "the linear projections around the state space model, what LoRA adapts by default",
    "bias": "what BitFit trains",
    "dynamics": "the state matrix, among whose channels and states SDT chooses",
    "maps": "the input and output maps of the states, where SDT trains what it chose in `dynamics`",
    "columns": "projections that read the channels, of which SDT trains the columns of the chosen channels",
    "warmup": "what the released code's warm-up trains to choose by",
    "all": "every slot",
}
"""What the names of groups mean that methods ask for; a kind leaves out, or has empty, what it does not have. It may
have other groups too, which method strings name, such as `x_proj` for the three blocks of that projection."""


class MixerKind(Protocol):
    """What a file of this folder has."""

    SLOTS: Mapping[str, SlotSpec]
    """Where each slot lives in a mixer; names are the checkpoints', `x_proj_B` is a block of rows of `x_proj`."""

    GROUPS: Mapping[str, tuple[str, ...]]
    """Names that stand for several slots: of `GROUP_NAMES`, and others."""

    def matches(module: nn.Module) -> bool:
        """Whether a module of a model is of this kind, judged by the parameters that it holds."""

    def install(mixer: nn.Module) -> None:
        """Give a mixer a forward in which every adapter acts; by default nothing, as where its own calls its modules.

        With it a mixer may have what initial states, prefixes, offsets, further states and networks beside it need:
        `state_shape`, `columns_shape`, `prefix_width`, `output_shape`, `model_width`, `start_after(prefix)`,
        `behind_in_proj(tokens)` and `takes_further_states`. Its forward then reads `self.start`, `self.offset`,
        `self.further` and `self.beside`, as `MixerForward` in _forward.py and `S6Forward` in s6.py do.
        """

    def uninstall(mixer: nn.Module) -> None:
        """Give a mixer its own forward back; by default nothing."""

    def ranks(
        mixer: nn.Module, frozen: SimpleNamespace, warmed: SimpleNamespace, rule: str
    ) -> tuple[Tensor | None, Tensor | None]:
        """What SDT chooses trained entries by, and what it silences by, each [channels, states]; None for the change.

        By default both go by the change of the slots in `dynamics` and `maps`.

        Args:
            frozen, warmed: values of the slots of `ssm` that are no projections, before and after the warm-up.
            rule: `paper` or `upstream`, as in methods/sdt.py.
        """
