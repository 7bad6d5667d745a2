"""Adapters by their names at one place of a model, and which of them act."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn


class AdapterSet(nn.Module):
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

    def trained(self) -> Iterator[tuple[str, nn.Module]]:
        """What is trained here, each with the slot that it counts for."""
        raise NotImplementedError

    def check_mergeable(self, adapters: list[str] | None = None) -> None:
        """Raise a ValueError when adapters, the active ones if none are named, cannot become part of a weight."""
        raise NotImplementedError

    def take_away(self, parent: nn.Module, attribute: str) -> None:
        """Leave the model as it was before anything was put here.

        Args:
            parent, attribute: where this module hangs.
        """
        raise NotImplementedError

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
