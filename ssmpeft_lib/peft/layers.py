"""The carriers of deltas as tuner layers of peft."""

from __future__ import annotations

import warnings

import torch
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import Tensor

from ..adapters.attach import AdaptedLinear, AdaptedParameter
from ..adapters.inputs.further import Further
from ..adapters.inputs.networks import Beside
from ..adapters.inputs.offsets import Offsets
from ..adapters.inputs.prompts import Prompts
from ..adapters.inputs.starts import Starts
from ..adapters.slots import Wrappers


class Carrier(BaseTunerLayer):
    """What peft asks of a layer, in terms of a carrier of deltas."""

    adapter_layer_names = ("deltas",)

    @property
    def active(self) -> list[str]:
        """Names of the adapters that act."""
        return list(self.active_adapters)

    @active.setter
    def active(self, names: list[str]) -> None:
        self._active_adapter = names

    @property
    def enabled(self) -> bool:
        """Whether adapters act at all."""
        return not self._disable_adapters

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        self._disable_adapters = not enabled


class WeightCarrier(Carrier):
    """A carrier whose deltas can be merged into a weight."""

    @property
    def merged_adapters(self) -> list[str]:
        """Names of the adapters that are part of the frozen weight."""
        return list(self.before_merge)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add adapters, all active ones if none are named, to the frozen weight."""
        names = check_adapters_to_merge(self, adapter_names)
        if safe_merge:
            self.check_finite(names)
        for name in names:
            self.merge_in(name)

    def unmerge(self) -> None:
        """Take all merged adapters out of the frozen weight."""
        self.merge_out()

    @torch.no_grad()
    def check_finite(self, adapter_names: list[str] | None = None) -> None:
        """Raise a ValueError when adapters, the active ones if none are named, hold infinite or undefined values."""
        for name in self.active if adapter_names is None else adapter_names:
            for slot, delta in self.deltas[name].items() if name in self.deltas else ():
                if not delta.change(self.regions[slot].of(self.frozen())).isfinite().all():
                    raise ValueError(f"adapter {name!r} would put infinite or undefined values into {slot}")


class LinearCarrier(AdaptedLinear, WeightCarrier):
    """An adapted linear layer as a layer of peft.

    Attributes:
        no_lora: why peft's LoRA does nothing on this layer, in words; empty where it does. Filled in by the tuner.
    """

    no_lora = ""

    def supports_lora_conversion(self, adapter_name: str = "default") -> bool:
        """Whether `peft.convert_to_lora` can make a LoRA of this layer's changes that acts; warns where not.

        It needs a whole number as rank: with a share of the energy it names no modules. `export_lora` takes both.
        """
        if self.no_lora:
            warn_no_lora(self.no_lora)
        return not self.no_lora

    def get_delta_weight(self, adapter_name: str) -> Tensor:
        """What an adapter changes the weight by, [out_features, in_features]; `peft.convert_to_lora` asks for it."""
        return self.change_by(adapter_name)


class ParameterCarrier(AdaptedParameter, WeightCarrier):
    """An adapted raw parameter as a layer of peft."""

    # peft would look for it in a wrapped layer
    bias = None

    def supports_lora_conversion(self, adapter_name: str = "default") -> bool:
        """Whether `peft.convert_to_lora` can turn this into a LoRA: never, LoRA is on the outputs of linear layers."""
        warn_no_lora(f"{self.name} of {type(self.owner).__name__} is no weight of a linear layer")
        return False

    @property
    def weight(self) -> Tensor:
        """The frozen parameter."""
        return self.frozen()


class InputCarrier(Carrier):
    """A carrier of what no weight can hold: learned starts, prompts, offsets and the like."""

    bias = None

    def supports_lora_conversion(self, adapter_name: str = "default") -> bool:
        """Whether `peft.convert_to_lora` can turn this into a LoRA: never, no weight holds it."""
        warn_no_lora("a learned state, prefix or prompt is no change of a weight")
        return False

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Refuse, unless nothing here acts."""
        self.check_mergeable(adapter_names)

    def unmerge(self) -> None:
        """Nothing is merged here."""


class MixerCarrier(InputCarrier):
    """A carrier of what is learned for one mixer."""

    @property
    def weight(self) -> Tensor:
        """A parameter of the mixer, which tells where new adapters belong."""
        return next(p for name, p in self.mixer.named_parameters() if ".deltas." not in name)


class StartsCarrier(Starts, MixerCarrier):
    """Learned starts of one mixer as a layer of peft."""


class OffsetsCarrier(Offsets, MixerCarrier):
    """Learned offsets of one mixer as a layer of peft."""


class FurtherCarrier(Further, MixerCarrier):
    """Further states of one mixer as a layer of peft."""


class BesideCarrier(Beside, MixerCarrier):
    """Networks beside one mixer as a layer of peft."""


class PromptsCarrier(Prompts, InputCarrier):
    """Soft prompts as a layer of peft."""

    @property
    def weight(self) -> Tensor:
        """A prompt, which tells where new adapters belong."""
        return next(self.parameters())


def warn_no_lora(why: str) -> None:
    """Say why an adapter cannot be converted to peft's LoRA, and what can be done."""
    warnings.warn(
        f"this adapter has no LoRA that does the same: {why}. ssmpeft_lib.export_lora(model, folder, rank=...) writes "
        "what has one and names the rest; ssmpeft_lib.merge makes a plain model of all of it",
        stacklevel=3,
    )


CARRIERS = Wrappers(
    *(LinearCarrier, ParameterCarrier, StartsCarrier, PromptsCarrier, OffsetsCarrier, FurtherCarrier, BesideCarrier)
)
