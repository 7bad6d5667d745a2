"""How deltas act on a model: on the output of a linear layer, or on the value of a raw parameter."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..compat.torch import own_module, own_parameter
from ..ops import linear
from .adapter_set import AdapterSet
from .deltas import Delta
from .mixed_class import Mixin, mix_in, take_out
from .quantised import check_additive, quantiser_of
from .region import Region

HALF = (torch.bfloat16, torch.float16)
"""Types of weights in which a small change is lost in rounding; what an adapter changes is computed in float32."""


class Adapted(AdapterSet):
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

    def quantiser(self) -> str:
        """How the frozen weight is quantised, in a few words; empty where it is not."""
        return quantiser_of(self.frozen())

    def add(self, adapter: str, slot: str, delta: Delta, region: Region) -> None:
        """Put the delta of one slot in place and make its adapter an active one."""
        if adapter not in self.deltas:
            self.deltas[adapter] = nn.ModuleDict()
        if slot in self.deltas[adapter]:
            raise ValueError(f"{slot} is adapted twice by {adapter!r}; name each slot once")
        weight = self.frozen()
        check_additive(slot, self.quantiser(), delta)
        self.deltas[adapter][slot] = to_device_of(delta, weight).train(self.training)
        self.regions[slot] = region
        delta.start_at(region.of(weight))
        self.activate(adapter)

    def trained(self) -> Iterator[tuple[str, Delta]]:
        for deltas in self.deltas.values():
            yield from deltas.items()

    def acting(self) -> list[tuple[Region, Delta]]:
        """Deltas that change what the frozen weight does, with the regions they change."""
        names = [name for name in self.acting_names() if name not in self.before_merge]
        return [(self.regions[slot], delta) for name in names for slot, delta in self.deltas[name].items()]

    def standing(self) -> Tensor:
        """The frozen weight without deltas; while adapters are disabled, also without those that are merged into it."""
        weight = self.frozen()
        if self.enabled or not self.before_merge:
            return weight
        return next(iter(self.before_merge.values())).to(weight)

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
        names = self.active if adapters is None else adapters
        if any(name in self.deltas for name in names) and self.quantiser():
            raise ValueError(
                f"cannot merge into a quantised weight ({self.quantiser()}); load the model without quantisation, "
                "the adapter into it, and merge that"
            )

    @torch.no_grad()
    def merge_out(self) -> None:
        """Take merged adapters out of the frozen weight again, the last merged one first."""
        while self.before_merge:
            _, weight = self.before_merge.popitem()
            self.frozen().copy_(weight)

    @staticmethod
    def _with(weight: Tensor, deltas: list[tuple[Region, Delta]]) -> Tensor:
        """The weight with deltas added; in float32 where it is of half precision and there are any."""
        if deltas and weight.dtype in HALF:
            weight = weight.float()
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

    def take_away(self, parent: nn.Module, attribute: str) -> None:
        setattr(parent, attribute, self.base_layer)

    def quantiser(self) -> str:
        return quantiser_of(self.base_layer.weight, self.base_layer)

    @property
    def weight(self) -> Tensor:
        """The frozen weight with every acting delta added, in the type of the frozen weight."""
        return self._with(self.standing(), self.acting()).to(self.base_layer.weight.dtype)

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
        weight = self.standing()
        if in_weight or weight is not self.base_layer.weight:
            y = linear(x, self._with(weight, in_weight).to(weight.dtype), bias)
        else:
            y = self.base_layer(x) if with_bias else linear_without_bias(self.base_layer, x)
        return self._on_output(x, y, bias, on_output) if on_output else y

    @torch.no_grad()
    def change_by(self, adapter: str) -> Tensor:
        """What one adapter alone changes the weight by, [out_features, in_features], in float32 or float64."""
        weight = next(iter(self.before_merge.values()), self.frozen())
        if self.quantiser():
            # only what changes every weight alike can be put on one whose values are packed
            weight = torch.zeros(self.out_features, self.in_features, device=weight.device)
        weight = weight.to(torch.promote_types(weight.dtype, torch.float32))
        deltas = self.deltas[adapter].items() if adapter in self.deltas else ()
        return self._with(weight, [(self.regions[slot], delta) for slot, delta in deltas]) - weight

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
    """A raw parameter with deltas on its value, which the module that owns the parameter shows in its place."""

    def __init__(self, owner: nn.Module, name: str):
        super().__init__()
        # not a submodule: the owner holds this module, not the other way round
        object.__setattr__(self, "owner", owner)
        self.name = name

    def frozen(self) -> Tensor:
        return own_parameter(self.owner, self.name)

    def take_away(self, parent: nn.Module, attribute: str) -> None:
        take_out(self.owner, Shows, self.name)
        delattr(self.owner, f"{self.name}_adapter")

    @property
    def wide(self) -> bool:
        """Whether the changed value is shown in float32 where the frozen one is of half precision.

        A_log, D, the step size, biases, norms and convolutions are read in float32; the matrices of experts are not.
        """
        return not any(region.stacked for region in self.regions.values())

    def forward(self) -> Tensor:
        """The value that the owner shows: the frozen one with every acting delta added, in its shape."""
        weight = self.standing()
        changed = self._with(weight, self.acting())
        return changed if self.wide else changed.to(weight.dtype)

    def check_mergeable(self, adapters: list[str] | None = None) -> None:
        super().check_mergeable(adapters)
        names = self.active if adapters is None else adapters
        if self.wide and self.frozen().dtype in HALF and any(name in self.deltas for name in names):
            kind = str(self.frozen().dtype).removeprefix("torch.")
            raise ValueError(
                f"cannot merge into {self.name} of {type(self.owner).__name__}, which is stored in {kind}: rounding "
                "would take most of the change away; convert the model with model.float(), then merge"
            )


class Shows(Mixin):
    """Mixed into the class of a module that owns adapted parameters: reading one of them gives its changed value.

    The frozen parameter keeps its name and its place in the module and in its state dict.
    """

    @classmethod
    def members(cls, names: tuple[str, ...]) -> dict[str, object]:
        return {"shown": names} | {name: _changed(name) for name in names}

    def forward(self, *args, **kwargs):
        """The module's own forward; what it computes with a weight in float32 goes on in the type of the frozen one."""
        output = super().forward(*args, **kwargs)
        kind = self._parameters[self.shown[0]].dtype
        return output.to(kind) if isinstance(output, Tensor) and kind in HALF else output


def _changed(name: str) -> property:
    def changed(owner: nn.Module) -> Tensor:
        try:
            return carrier_of(owner, name)()
        except AttributeError as error:
            # torch would go on and answer with the frozen parameter
            raise RuntimeError(f"{type(owner).__name__}.{name} cannot be computed: {error}") from error

    return property(changed)


def shared_weights(model: nn.Module) -> dict[str, list[str]]:
    """Weights that an adapter changes in one of several modules that share them, as in Zamba2's repeated blocks.

    Each reader has a change of its own, which one weight cannot hold.

    Returns:
        for the path of each module that carries deltas, the paths of all modules with its weight.
    """
    readers: dict[int, list[str]] = {}
    for path, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            readers.setdefault(id(parameter), []).append(path.removesuffix(".base_layer"))
    found = {path: readers.get(id(module.frozen()), []) for path, module in model.named_modules() if _acts(module)}
    return {path: places for path, places in found.items() if len(places) > 1}


def _acts(module: nn.Module) -> bool:
    return isinstance(module, Adapted) and any(name in module.deltas for name in module.active)


def check_own_weights(model: nn.Module) -> None:
    """Raise a ValueError when adapters change weights that several modules share: they cannot be merged."""
    path, places = next(iter(shared_weights(model).items()), ("", []))
    if places:
        raise ValueError(
            f"cannot merge into {path}: {' and '.join(places[:2])} share one weight and have a change each, which it "
            "cannot hold; save the adapter instead"
        )


def carry(owner: nn.Module, name: str, kind: type[AdaptedParameter]) -> AdaptedParameter:
    """Make a raw parameter of a module carry deltas; returns what carries them, the module's `<name>_adapter`."""
    try:
        mix_in(owner, Shows, name)
    except TypeError:
        # the layout of some classes in C, such as quanto's, leaves no room for another class in front
        raise ValueError(f"{name} of a {type(owner).__name__} cannot be adapted, only its outputs; see lora") from None
    owner.add_module(f"{name}_adapter", kind(owner, name).train(owner.training))
    return carrier_of(owner, name)


def carrier_of(owner: nn.Module, name: str) -> AdaptedParameter | None:
    """What carries the deltas of a raw parameter, or None where it is not adapted."""
    return own_module(owner, f"{name}_adapter")


def linear_without_bias(layer: nn.Module, x: Tensor) -> Tensor:
    """Output of a linear layer before its bias, adapted or not; x [..., in_features]."""
    if isinstance(layer, AdaptedLinear):
        return layer(x, with_bias=False)
    if layer.bias is None or quantiser_of(layer.weight, layer):
        # through the module, whose weight may be quantised
        y = layer(x)
        return y if layer.bias is None else y - layer.bias
    return linear(x, layer.weight)


def to_device_of(module: nn.Module, weight: Tensor) -> nn.Module:
    """Move a new module to a frozen weight's device, in float32 (float64 beside float64).

    Parameters on the meta device stay there: their values are about to be loaded.
    """
    wide = torch.float64 if weight.dtype == torch.float64 else torch.float32
    if any(p.is_meta for p in module.parameters()):
        for owner in module.modules():
            # what is not loaded has its values already
            for name, buffer in owner.named_buffers(recurse=False):
                setattr(owner, name, buffer.to(weight.device))
        return module.to(wide)
    return module.to(weight.device, wide)


def _must_see_others(pair: tuple[Region, Delta], acting: list[tuple[Region, Delta]]) -> bool:
    """Whether a delta changes a block which another one changes too, and their changes do not simply add."""
    same = [delta for region, delta in acting if region == pair[0]]
    return len(same) > 1 and not all(delta.additive for delta in same)
