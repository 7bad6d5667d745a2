"""Slots that share one selection of channels and states."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from ..backbone import Backbone
from ..parts import Part
from ..quantised import quantiser_of
from ..slots import Slot


@dataclass(frozen=True)
class Choice:
    """Slots of one mixer that are trained at the same channels and states.

    Attributes:
        part: the mixer.
        deciding: slots whose change decides; each has a channel axis and a state axis.
        following: slots that are trained where these are; those without a state axis, in whole channels.
    """

    part: Part
    deciding: list[Slot]
    following: list[Slot] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Path of the mixer, and the slot that decides."""
        return f"{self.part.path}.{self.deciding[0].name}"

    @property
    def slots(self) -> list[Slot]:
        """All slots, those that decide first."""
        return [*self.deciding, *self.following]

    @property
    def shape(self) -> tuple[int, int]:
        """(channels, states)."""
        first = self.deciding[0]
        return first.shape[first.channel_axis], first.shape[first.state_axis]

    def scores(self, change: Callable[[Slot], Tensor]) -> Tensor:
        """Squared change of each entry, summed over the deciding slots, [channels, states]."""
        changes = [change(slot) if slot.channel_axis == 0 else change(slot).t() for slot in self.deciding]
        return sum(change.square() for change in changes)

    def size(self, slot: Slot, channels: int, states: int) -> int:
        """How many numbers of a slot belong to so many entries."""
        in_all = self.shape[0] * (1 if slot.state_axis is None else self.shape[1])
        numbers = math.prod(slot.shape) // in_all
        return channels * numbers * (1 if slot.state_axis is None else states)

    def mask_for(self, entries: Tensor, slot: Slot) -> Tensor:
        """A mask [channels, states] in the layout of a slot; complex states are two numbers side by side."""
        if slot.state_axis is None:
            mask = entries.any(dim=1, keepdim=True)
            other = slot.shape[1 - slot.channel_axis]
            return mask.expand(-1, other) if slot.channel_axis == 0 else mask.t().expand(other, -1)
        mask = entries if slot.channel_axis == 0 else entries.t()
        return mask.repeat_interleave(slot.shape[slot.state_axis] // self.shape[1], dim=slot.state_axis)


def choices(backbone: Backbone, columns: list[Slot]) -> list[Choice]:
    """What is chosen in each mixer: where its state matrix moved most; if that has no states, where its maps did.

    Args:
        columns: slots that are trained in whole channels along with it.
    Raises:
        ValueError: a slot of `columns` is no matrix, or does not run over the channels that are chosen, or what decides
            is quantised.
    """
    found = []
    for part in backbone.mixers:
        dynamics = [slot for slot in backbone.slots_of(part, "dynamics") if slot.state_axis is not None]
        maps = backbone.slots_of(part, "maps")
        mine = [slot for slot in columns if slot.part == part.path]
        for slot in mine:
            if len(slot.shape) != 2:
                raise ValueError(
                    f"{slot.name} is no matrix (shape {slot.shape}) and has no columns to train; try also={slot.name}"
                )
        if not dynamics and mine:
            raise _no_channels(mine[0], f"{part.path} chooses among the inputs of {maps[0].name}")
        for slot in dynamics or maps:
            if quantiser_of(slot.weight, slot.module):
                raise ValueError(
                    f"{slot.path} is quantised ({quantiser_of(slot.weight, slot.module)}); what is trained is chosen "
                    "by how its values change, so load the model without quantisation"
                )
        found += [Choice(part, dynamics, maps + mine)] if dynamics else [Choice(part, [slot]) for slot in maps]
        for slot in mine:
            if slot.channel_axis is None or slot.shape[slot.channel_axis] != found[-1].shape[0]:
                raise _no_channels(slot, f"{part.path} chooses among {found[-1].shape[0]} channels")
    return found


def _no_channels(slot: Slot, what_is_chosen: str) -> ValueError:
    return ValueError(
        f"{slot.path} has no axis over the channels that are chosen ({what_is_chosen}), so its columns cannot be "
        "trained with them; use low-rank updates there (sdlora)"
    )
