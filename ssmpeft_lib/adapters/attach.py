"""How deltas act on a model: on the output of a linear layer, or on the value of a raw parameter."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from .deltas import Delta


class Adapted(nn.Module):
    """Deltas of named adapters at one place of a model: `deltas[adapter][slot]`.

    Several adapters may be active; a merged adapter is part of the frozen weight and no longer added.
    """

    def __init__(self) -> None:
        super().__init__()
        self.deltas = nn.ModuleDict()
        self.rows: dict[str, slice | None] = {}
        self.active: list[str] = []
        self.enabled = True
        self.before_merge: dict[str, Tensor] = {}

    def frozen(self) -> Tensor:
        """The frozen weight, without any delta that is not merged."""
        raise NotImplementedError

    def add(self, adapter: str, slot: str, delta: Delta, rows: slice | None) -> None:
        """Put the delta of one slot in place and make its adapter an active one."""
        if adapter not in self.deltas:
            self.deltas[adapter] = nn.ModuleDict()
        weight = self.frozen()
        self.deltas[adapter][slot] = delta.to(weight.device)
        self.rows[slot] = rows
        if hasattr(delta, "start_at"):
            delta.start_at(self.block(weight, rows))
        if adapter not in self.active:
            self.active.append(adapter)

    def acting(self) -> list[tuple[slice | None, Delta]]:
        """Deltas that change what the frozen weight does, with the rows they change."""
        if not self.enabled:
            return []
        names = [name for name in self.active if name in self.deltas and name not in self.before_merge]
        return [(self.rows[slot], delta) for name in names for slot, delta in self.deltas[name].items()]

    def changed(self, weight: Tensor) -> Tensor:
        """The weight with every acting delta added, in the dtype of the weight."""
        for rows, delta in self.acting():
            weight = self._with_change(weight, rows, delta)
        return weight

    @torch.no_grad()
    def merge(self, adapter: str) -> None:
        """Add an adapter to the frozen weight for good; `unmerge` brings the old weight back to the bit."""
        if adapter not in self.deltas or adapter in self.before_merge:
            return
        weight = self.frozen()
        self.before_merge[adapter] = weight.clone()
        for slot, delta in self.deltas[adapter].items():
            weight.copy_(self._with_change(weight, self.rows[slot], delta))

    @torch.no_grad()
    def unmerge(self) -> None:
        """Take merged adapters out of the frozen weight again, the last merged one first."""
        while self.before_merge:
            _, weight = self.before_merge.popitem()
            self.frozen().copy_(weight)

    @staticmethod
    def block(weight: Tensor, rows: slice | None) -> Tensor:
        """The rows of a weight that a slot stands for, as a matrix (or a vector, for a vector)."""
        flat = weight if weight.dim() < 3 else weight.flatten(1)
        return flat if rows is None else flat[rows]

    def _with_change(self, weight: Tensor, rows: slice | None, delta: Delta) -> Tensor:
        change = delta.change(self.block(weight, rows)).to(weight.dtype)
        if rows is not None:
            change = _padded(change, rows, weight.shape[0])
        return weight + change.view(weight.shape)


class AdaptedLinear(Adapted):
    """A linear layer with deltas on its output. `weight` and `bias` show the changed values to code that reads them."""

    def __init__(self, base_layer: nn.Linear):
        super().__init__()
        self.base_layer = base_layer

    def frozen(self) -> Tensor:
        return self.base_layer.weight

    @property
    def weight(self) -> Tensor:
        return self.changed(self.base_layer.weight)

    @property
    def bias(self) -> Tensor | None:
        return self.base_layer.bias

    @property
    def in_features(self) -> int:
        return self.base_layer.in_features

    @property
    def out_features(self) -> int:
        return self.base_layer.out_features

    def forward(self, x: Tensor, with_bias: bool = True) -> Tensor:
        """x [..., in_features] -> [..., out_features]."""
        acting = self.acting()
        bias = self.bias if with_bias else None
        if not all(delta.on_output for _, delta in acting):
            return F.linear(x, self.weight, bias)
        # through the module and not through its weight, which may be quantised
        y = self.base_layer(x) if with_bias or self.bias is None else F.linear(x, self.base_layer.weight)
        return self._on_output(x, y, bias, acting) if acting else y

    def _on_output(self, x: Tensor, y: Tensor, bias: Tensor | None, acting: list[tuple[slice | None, Delta]]) -> Tensor:
        hidden, up, changed = [], [], y
        for rows, delta in acting:
            if delta.additive:
                h, u = delta.factors(x)
                hidden.append(h)
                up.append(u if rows is None else _padded(u, rows, self.out_features))
                continue
            here = slice(None) if rows is None else rows
            frozen = y[..., here] if bias is None else y[..., here] - bias[here]
            change = delta.output_change(x, frozen, self.block(self.base_layer.weight, rows))
            changed = changed + _padded_columns(change, rows, self.out_features).to(y.dtype)
        if hidden:
            # one product for all deltas of the layer, also those of other row blocks
            changed = changed + F.linear(torch.cat(hidden, -1), torch.cat(up, 1)).to(y.dtype)
        return changed


class AdaptedParameter(Adapted):
    """A raw parameter with deltas on its value, as a torch parametrization of the module that owns it."""

    def __init__(self, owner: nn.Module, name: str):
        super().__init__()
        # not a submodule: the owner holds this module, not the other way round
        object.__setattr__(self, "owner", owner)
        self.name = name

    def frozen(self) -> Tensor:
        if parametrize.is_parametrized(self.owner, self.name):
            return self.owner.parametrizations[self.name].original
        return getattr(self.owner, self.name)

    def forward(self, weight: Tensor) -> Tensor:
        return self.changed(weight)

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


def linear_without_bias(layer: nn.Module, x: Tensor) -> Tensor:
    """Output of a linear layer before its bias, adapted or not; x [..., in_features]."""
    if isinstance(layer, AdaptedLinear):
        return layer(x, with_bias=False)
    return F.linear(x, layer.weight)


def _padded(block: Tensor, rows: slice, total: int) -> Tensor:
    """A block of rows with zero rows above and below, [total, ...]."""
    padding = [0, 0] * (block.dim() - 1) + [rows.start, total - rows.stop]
    return F.pad(block, padding)


def _padded_columns(change: Tensor, rows: slice | None, total: int) -> Tensor:
    """The change of a block of output features, with zeros for the other features, [..., total]."""
    return change if rows is None else F.pad(change, [rows.start, total - rows.stop])
