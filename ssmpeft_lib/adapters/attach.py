"""How deltas act on a model: on the output of a linear layer, or on the value of a raw parameter."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from ..ops import linear
from .deltas import Delta
from .named import Named
from .region import Region


class Adapted(Named):
    """Deltas of named adapters at one place of a model: `deltas[adapter][slot]`.

    Several adapters may be active; a merged adapter is part of the frozen weight and no longer added.
    """

    def __init__(self) -> None:
        super().__init__()
        self.regions: dict[str, Region] = {}
        self.before_merge: dict[str, Tensor] = {}

    def frozen(self) -> Tensor:
        """The frozen weight, without any delta that is not merged."""
        raise NotImplementedError

    def add(self, adapter: str, slot: str, delta: Delta, region: Region) -> None:
        """Put the delta of one slot in place and make its adapter an active one."""
        if adapter not in self.deltas:
            self.deltas[adapter] = nn.ModuleDict()
        if slot in self.deltas[adapter]:
            raise ValueError(f"{slot} is adapted twice by {adapter!r}; name each slot once")
        weight = self.frozen()
        if not weight.is_floating_point() and not (delta.on_output and delta.additive):
            raise ValueError(f"{slot} is quantised ({weight.dtype}); only low-rank updates can be put on it")
        self.deltas[adapter][slot] = beside(delta, weight).train(self.training)
        self.regions[slot] = region
        if hasattr(delta, "start_at"):
            delta.start_at(region.of(weight))
        self.activate(adapter)

    def acting(self) -> list[tuple[Region, Delta]]:
        """Deltas that change what the frozen weight does, with the regions they change."""
        names = [name for name in self.acting_names() if name not in self.before_merge]
        return [(self.regions[slot], delta) for name in names for slot, delta in self.deltas[name].items()]

    def changed(self, weight: Tensor) -> Tensor:
        """The weight with every acting delta added, in the dtype of the weight."""
        return self._with(weight, self.acting())

    @torch.no_grad()
    def merge_in(self, adapter: str) -> None:
        """Add an adapter to the frozen weight for good; `merge_out` brings the old weight back to the bit."""
        if adapter not in self.deltas or adapter in self.before_merge:
            return
        self.check_mergeable([adapter])
        weight = self.frozen()
        before = weight.clone()
        weight.copy_(self._with(weight, [(self.regions[slot], delta) for slot, delta in self.deltas[adapter].items()]))
        self.before_merge[adapter] = before

    def check_mergeable(self, adapters: list[str] | None = None) -> None:
        """Raise a ValueError when adapters, the active ones if none are named, cannot become part of the weight."""
        names = self.active if adapters is None else adapters
        if any(name in self.deltas for name in names) and not self.frozen().is_floating_point():
            raise ValueError(f"cannot merge into a weight of type {self.frozen().dtype}; dequantise the model first")

    @torch.no_grad()
    def merge_out(self) -> None:
        """Take merged adapters out of the frozen weight again, the last merged one first."""
        while self.before_merge:
            _, weight = self.before_merge.popitem()
            self.frozen().copy_(weight)

    @staticmethod
    def _with(weight: Tensor, deltas: list[tuple[Region, Delta]]) -> Tensor:
        for region, delta in deltas:
            change = delta.change(region.of(weight)).to(weight.dtype)
            weight = weight + region.spread(change, weight.shape)
        return weight


class AdaptedLinear(Adapted):
    """A linear layer with deltas on its output. `weight` shows the changed weight to code that reads it."""

    def __init__(self, base_layer: nn.Linear):
        super().__init__()
        self.base_layer = base_layer

    def frozen(self) -> Tensor:
        return self.base_layer.weight

    @property
    def weight(self) -> Tensor:
        """The frozen weight with every acting delta added."""
        return self.changed(self.base_layer.weight)

    @property
    def bias(self) -> Tensor | None:
        """The wrapped layer's bias, with any delta of its own, or None."""
        return self.base_layer.bias

    @property
    def in_features(self) -> int:
        """Size of the inputs, as in the wrapped layer."""
        return self.base_layer.in_features

    @property
    def out_features(self) -> int:
        """Size of the outputs, as in the wrapped layer."""
        return self.base_layer.out_features

    def forward(self, x: Tensor, with_bias: bool = True) -> Tensor:
        """x [..., in_features] -> [..., out_features]."""
        acting = self.acting()
        on_output = [pair for pair in acting if pair[1].on_output and not _must_see_others(pair, acting)]
        in_weight = [pair for pair in acting if pair not in on_output]
        bias = self.bias if with_bias else None
        if in_weight:
            y = linear(x, self._with(self.base_layer.weight, in_weight), bias)
        else:
            y = self.base_layer(x) if with_bias else linear_without_bias(self.base_layer, x)
        return self._on_output(x, y, bias, on_output) if on_output else y

    def _on_output(self, x: Tensor, y: Tensor, bias: Tensor | None, acting: list[tuple[Region, Delta]]) -> Tensor:
        hidden, up, changed = [], [], y
        for region, delta in acting:
            if delta.additive:
                h, u = delta.factors(x)
                hidden.append(h)
                up.append(region.spread(u, (self.out_features, u.shape[1])))
                continue
            frozen = region.of_outputs(y) if bias is None else region.of_outputs(y) - region.of_outputs(bias)
            change = delta.output_change(x, frozen, region.of(self.base_layer.weight))
            changed = changed + region.spread_outputs(change, self.out_features).to(y.dtype)
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
        """The value that the owner shows: the frozen one with every acting delta added, in its shape."""
        return self.changed(weight)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What becomes the frozen value when the parameter is assigned: the assigned value as it is."""
        return weight


def linear_without_bias(layer: nn.Module, x: Tensor) -> Tensor:
    """Output of a linear layer before its bias, adapted or not; x [..., in_features]."""
    if isinstance(layer, AdaptedLinear):
        return layer(x, with_bias=False)
    if layer.bias is None or not layer.weight.is_floating_point():
        # through the module, whose weight may be quantised
        y = layer(x)
        return y if layer.bias is None else y - layer.bias
    return linear(x, layer.weight)


def beside(module: nn.Module, weight: Tensor) -> nn.Module:
    """Move a new module to a frozen weight's device, in float32 (float64 beside float64).

    A module on the meta device stays there: its values are about to be loaded.
    """
    wide = torch.float64 if weight.dtype == torch.float64 else torch.float32
    if any(p.is_meta for p in module.parameters()):
        return module.to(wide)
    return module.to(weight.device, wide)


def _must_see_others(pair: tuple[Region, Delta], acting: list[tuple[Region, Delta]]) -> bool:
    """Whether a delta changes a block which another one changes too, and their changes do not simply add."""
    same = [delta for region, delta in acting if region == pair[0]]
    return len(same) > 1 and not all(delta.additive for delta in same)
