"""What learned inputs and offsets have in common: they act beside the weights, and no weight can hold them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import nn

from ..adapter_set import AdapterSet
from ..attach import to_device_of


class LearnedInput(AdapterSet):
    """What methods learn beside the weights, one for each adapter; a submodule of what reads it.

    Attributes:
        slot: name under which it is counted and drawn.
        what: what it is, in words, for who would merge it.
    """

    slot: ClassVar[str]
    what: ClassVar[str] = "a learned state, prefix or prompt"

    def trained(self) -> Iterator[tuple[str, nn.Module]]:
        for module in self.deltas.values():
            yield self.slot, module

    def check_mergeable(self, adapters: list[str] | None = None) -> None:
        names = self.active if adapters is None else adapters
        if any(name in self.deltas for name in names):
            raise ValueError(f"{self.what} cannot be merged into a weight; save the adapter instead")

    def take_away(self, parent: nn.Module, attribute: str) -> None:
        delattr(parent, attribute)


class LearnedInMixer(LearnedInput):
    """What methods learn for one mixer; a submodule of the mixer."""

    def __init__(self, mixer: nn.Module):
        super().__init__()
        # not a submodule: the mixer holds this module, not the other way round
        object.__setattr__(self, "mixer", mixer)

    def add(self, adapter: str, learned: nn.Module) -> None:
        """Put a module that says `how` it works in place, and make its adapter an active one."""
        self.deltas[adapter] = to_device_of(learned, next(self.mixer.parameters())).train(self.mixer.training)
        self.activate(adapter)
