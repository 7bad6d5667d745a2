"""The warm-up of methods that choose what they train from what a short training changes (Algorithm 1, line 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..backbone import Backbone
from ..deltas import Dense
from ..slots import Slot

ADAPTER = "warmup"


class Warmup:
    """A short first training, of which everything is undone once the changes have been looked at (Sec. D.4).

    Args:
        backbone: of the adapted model.
        dense: slots of which every entry is trained.
        beside: parameters of the adapter that are trained along with them; the others of the adapter rest.

    Attributes:
        parameters: what to train.
    """

    def __init__(self, backbone: Backbone, dense: list[Slot], beside: list[nn.Parameter]):
        self._slots = dense
        self._before = [(p, p.detach().clone()) for p in backbone.model.parameters() if p.requires_grad]
        resting = {id(p) for p in beside}
        for parameter, _ in self._before:
            parameter.requires_grad_(id(parameter) in resting)
        self._deltas = {slot.path + slot.name: Dense(slot.shape) for slot in dense}
        for slot in dense:
            slot.attach(self._deltas[slot.path + slot.name], ADAPTER, backbone.wrappers)
        self.parameters: list[nn.Parameter] = [p for p in backbone.model.parameters() if p.requires_grad]

    def change(self, slot: Slot) -> Tensor | None:
        """Return what the warm-up changed a slot by; None where it did not train the slot."""
        delta = self._deltas.get(slot.path + slot.name)
        return None if delta is None else delta.delta.detach().clone()

    @torch.no_grad()
    def undo(self) -> None:
        """Give every parameter the value that it had before."""
        for slot in self._slots:
            slot.detach(ADAPTER)
        for parameter, value in self._before:
            parameter.copy_(value)
            parameter.requires_grad_(True)
            parameter.grad = None
