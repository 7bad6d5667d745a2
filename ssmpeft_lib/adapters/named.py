"""Adapters by their names at one place of a model, and which of them act."""

from __future__ import annotations

from torch import nn


class Named(nn.Module):
    """What named adapters put at one place of a model.

    Attributes:
        deltas: for each adapter its module.
        active: names of the adapters that act, unless `enabled` is false.
    """

    def __init__(self) -> None:
        super().__init__()
        self.deltas = nn.ModuleDict()
        self.active: list[str] = []
        self.enabled = True

    def activate(self, adapter: str) -> None:
        """Let an adapter act beside those that act already."""
        if adapter not in self.active:
            self.active = [*self.active, adapter]

    def remove(self, adapter: str) -> None:
        """Take an adapter away."""
        if adapter in self.deltas:
            del self.deltas[adapter]
        self.active = [name for name in self.active if name != adapter]

    def acting_names(self) -> list[str]:
        """The active adapters that have something here; none while disabled."""
        return [name for name in self.active if name in self.deltas] if self.enabled else []
