"""Slots: where one of the paper's matrices lives in a block. Methods see slots, never a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from .attach import Adapted, AdaptedLinear, AdaptedParameter, carrier_of, carry
from .deltas import Delta
from .inputs.further import Further
from .inputs.networks import Beside
from .inputs.offsets import Offsets
from .inputs.prompts import Prompts
from .inputs.starts import Starts
from .region import Region


@dataclass(frozen=True)
class SlotSpec:
    """Where a slot lives in every block of a family.

    Attributes:
        parameter: path of the parameter below its owner, such as `in_proj.weight`; several when families differ;
            `{layer}` stands for the index of the block.
        rows: the row range of a fused projection, from the mixer's sizes; None for the whole parameter.
        channel_axis: axis that runs over the channels (d_inner), or None.
        state_axis: axis that runs over the states (d_state), or None.
        owner: what the path starts from: the mixer, the block around it, or the backbone (once a model).
        stacked: whether the parameter is a stack of matrices, [count, rows, columns].
        silent: the value of an entry that silences its state, or None where no value does.
        complex_pairs: whether it may hold complex numbers as pairs, [rows, columns, 2].
    """

    parameter: str | tuple[str, ...]
    rows: Callable[[nn.Module], slice] | None = None
    channel_axis: int | None = None
    state_axis: int | None = None
    owner: Literal["mixer", "block", "backbone"] = "mixer"
    stacked: bool = False
    silent: float | None = None
    complex_pairs: bool = False


@dataclass(frozen=True)
class Wrappers:
    """The classes that carry deltas. A plugin may bring its own."""

    linear: type[AdaptedLinear] = AdaptedLinear
    parameter: type[AdaptedParameter] = AdaptedParameter
    starts: type[Starts] = Starts
    prompts: type[Prompts] = Prompts
    offsets: type[Offsets] = Offsets
    further: type[Further] = Further
    beside: type[Beside] = Beside


@dataclass
class Slot:
    """One slot of one block of one model.

    Attributes:
        name: as in the family's table, for example `x_proj_B`.
        spec: the line of that table.
        layer: index of the block, or -1 for a slot that the model has once.
        part: path of the mixer (or attention, ...) that it belongs to.
        path: of the parameter in the model, for example `backbone.layers.0.mixer.x_proj.weight`.
        parent, attribute: where the module hangs that owns the parameter, so that it can be wrapped; the attribute is
            empty when the parent owns the parameter itself.
        parameter: the parameter's name in its module.
        region: the part of the parameter that the slot is.
    """

    name: str
    spec: SlotSpec
    layer: int
    part: str
    path: str
    parent: nn.Module
    attribute: str
    parameter: str
    region: Region

    @property
    def channel_axis(self) -> int | None:
        """Axis of the block that runs over the channels."""
        return self.spec.channel_axis

    @property
    def state_axis(self) -> int | None:
        """Axis of the block that runs over the states."""
        return self.spec.state_axis

    @property
    def silent(self) -> float | None:
        """The value of an entry that silences its state."""
        return self.spec.silent

    @property
    def module(self) -> nn.Module:
        """The module that owns the parameter, wrapped or not."""
        return getattr(self.parent, self.attribute) if self.attribute else self.parent

    @property
    def is_linear(self) -> bool:
        """Whether it is (a block of rows of) the weight of a linear layer."""
        return self.parameter == "weight" and isinstance(self._base(), nn.Linear)

    @property
    def is_projection(self) -> bool:
        """Whether it is the weight of a linear layer or of a stack of them."""
        return self.is_linear or self.region.stacked

    @property
    def is_bias(self) -> bool:
        """Whether it is a bias."""
        return self.parameter == "bias" or self.name.endswith("bias")

    @property
    def weight(self) -> Tensor:
        """The whole frozen parameter that the slot is a part of."""
        adapted = self.adapted()
        return adapted.frozen() if adapted is not None else getattr(self._base(), self.parameter)

    @property
    def block(self) -> Tensor:
        """The frozen values of the slot: a matrix [rows, columns], a stack of matrices, or a vector."""
        return self.region.of(self.weight)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the block; of a linear layer [rows, columns], also where its weight is quantised."""
        if not self.is_linear:
            return tuple(self.block.shape)
        # from the layer's sizes, as a quantised weight is packed
        layer = self._base()
        rows = range(layer.out_features) if self.region.rows is None else range(layer.out_features)[self.region.rows]
        return len(rows), layer.in_features

    @property
    def effective(self) -> Tensor:
        """The whole parameter with every change that acts on it."""
        return getattr(self.module, self.parameter)

    @property
    def is_complex(self) -> bool:
        """Whether it holds complex numbers as pairs."""
        return self.spec.complex_pairs and self.weight.dim() == 3

    def adapted(self) -> Adapted | None:
        """What carries the deltas here, or None when nothing was attached yet."""
        if isinstance(self.module, AdaptedLinear) and self.parameter == "weight":
            return self.module
        return carrier_of(self._base(), self.parameter)

    def attach(self, delta: Delta, adapter: str = "default", wrappers: Wrappers = Wrappers()) -> Adapted:
        """Put a delta in place under an adapter's name."""
        adapted = self.adapted() or self._wrap(wrappers)
        adapted.add(adapter, self.name, delta, self.region)
        return adapted

    def detach(self, adapter: str) -> None:
        """Take an adapter's delta away, and what carried it when nothing else is left there."""
        adapted = self.adapted()
        if adapted is None:
            return
        adapted.remove(adapter)
        if len(adapted.deltas):
            return
        adapted.take_away(self.parent, self.attribute)

    def _base(self) -> nn.Module:
        return self.module.base_layer if isinstance(self.module, AdaptedLinear) else self.module

    def _wrap(self, wrappers: Wrappers) -> Adapted:
        if self.is_linear:
            wrapped = wrappers.linear(self.module).train(self.module.training)
            setattr(self.parent, self.attribute, wrapped)
            return wrapped
        return carry(self._base(), self.parameter, wrappers.parameter)
