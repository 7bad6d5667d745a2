"""What the learned inputs have in common: they stand in front of a sequence, and no weight can hold them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import nn

from ..adapter_set import AdapterSet


class LearnedInput(AdapterSet):
    """What methods learn to put in front of a sequence, one for each adapter; a submodule of what reads it.

    Attributes:
        slot: name under which it is counted and drawn.
    """

    slot: ClassVar[str]

    def trained(self) -> Iterator[tuple[str, nn.Module]]:
        for module in self.deltas.values():
            yield self.slot, module

    def check_mergeable(self, adapters: list[str] | None = None) -> None:
        names = self.active if adapters is None else adapters
        if any(name in self.deltas for name in names):
            raise ValueError(
                "a learned state, prefix or prompt cannot be merged into a weight; save the adapter instead"
            )

    def take_away(self, parent: nn.Module, attribute: str) -> None:
        delattr(parent, attribute)
