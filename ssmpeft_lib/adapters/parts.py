"""The parts of a model that hold slots: SSM mixers, and what stands beside them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import torch
from torch import Tensor, nn

from ..compat.torch import own_parameter
from ..plan.registry import files
from .attach import AdaptedLinear
from .region import Region
from .slots import Slot


@dataclass(frozen=True)
class Part:
    """A part of a model that holds slots: an SSM mixer, or what stands beside one.

    Attributes:
        path, module: where it is.
        kind: the module of `ssmpeft_lib.mixers` that knows it; what such a module has is said there.
        block_path, block: the block around it.
        layer: index of that block.
    """

    path: str
    module: nn.Module
    kind: ModuleType
    block_path: str
    block: nn.Module
    layer: int

    @property
    def is_ssm(self) -> bool:
        """Whether it is an SSM mixer, and not what stands beside one."""
        return _is_ssm(self.kind)

    def install(self) -> None:
        """Give the mixer the forward of its kind."""
        getattr(self.kind, "install", _leave)(self.module)

    def uninstall(self) -> None:
        """Give the mixer its own forward back."""
        getattr(self.kind, "uninstall", _leave)(self.module)

    def ranks(self, frozen: SimpleNamespace, warmed: SimpleNamespace, rule: str) -> tuple[Tensor | None, Tensor | None]:
        """What SDT trains and silences by, each [channels, states]; None where it goes by the change."""
        return getattr(self.kind, "ranks", _by_change)(self.module, frozen, warmed, rule)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of the state of one sequence.

        Raises:
            ValueError: the mixer's forward cannot take a state.
        """
        return self._of_forward("state_shape", "a state")

    @property
    def columns_shape(self) -> tuple[int, int]:
        """Shape of what the convolution remembers of one sequence; raises as `state_shape` does."""
        return self._of_forward("columns_shape", "columns of a convolution")

    @property
    def prefix_width(self) -> int:
        """Size of one prefix vector; raises as `state_shape` does."""
        return self._of_forward("prefix_width", "a prefix")

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the scan's output for one token; raises as `state_shape` does."""
        return self._of_forward("output_shape", "an offset of its output")

    def check_further_states(self) -> None:
        """Raise a ValueError where the mixer takes no further states."""
        self._of_forward("takes_further_states", "further states")

    @property
    def model_width(self) -> int:
        """Size of what goes into the mixer and comes out, d_model; raises as `state_shape` does."""
        return self._of_forward("model_width", "tokens of its own, or a network beside it")

    def _of_forward(self, attribute: str, what: str):
        if not hasattr(self.module, attribute):
            raise ValueError(f"{self.path} ({type(self.module).__name__}) cannot take {what}")
        return getattr(self.module, attribute)


def _leave(mixer: nn.Module) -> None:
    """Leave a mixer as it is."""


def _by_change(mixer: nn.Module, frozen: SimpleNamespace, warmed: SimpleNamespace, rule: str) -> tuple[None, None]:
    return None, None


def _is_ssm(kind: ModuleType) -> bool:
    return "ssm" in kind.GROUPS


def mixer_kinds() -> dict[str, ModuleType]:
    """Every kind of mixer, by the name of its file."""
    return {name: importlib.import_module(f"ssmpeft_lib.mixers.{name}") for name in files("mixers")}


def ssm_kinds() -> list[str]:
    """Names of the kinds of SSM mixers."""
    return [name for name, kind in mixer_kinds().items() if _is_ssm(kind)]


def find_parts(model: nn.Module) -> Iterator[Part]:
    """The parts of a model that a kind of mixer knows, in the order of the model."""
    kinds = list(mixer_kinds().values())
    for path, module in model.named_modules():
        # to look for a parameter of an adapted module computes it
        with torch.no_grad():
            kind = next((kind for kind in kinds if kind.matches(module)), None)
        if kind is not None:
            block_path = path.rpartition(".")[0]
            layer = split_at_block(path)[1]
            yield Part(path, module, kind, block_path, model.get_submodule(block_path), layer)


def split_at_block(path: str) -> tuple[str, int]:
    """`model.layers.3.mixer` as (`model`, 3); ("", 0) when no list of blocks is on the way."""
    steps = path.split(".")
    index = next((i for i, step in enumerate(steps) if step.isdigit()), None)
    return ("", 0) if index is None else (".".join(steps[: index - 1]), int(steps[index]))


def blocks_around(path: str) -> list[str]:
    """Of `model.layers.3.mamba.mixer` the blocks `model.layers.3` and `model.layers.3.mamba`, from the outermost on."""
    steps = path.split(".")
    index = next((i for i, step in enumerate(steps) if step.isdigit()), len(steps))
    return [".".join(steps[: end + 1]) for end in range(index, len(steps) - 1)]


def locate(part: Part, name: str, backbone: nn.Module, backbone_path: str) -> Slot | None:
    """The slot of that name in a part; None where the model does not have its parameter.

    Args:
        backbone, backbone_path: what holds the blocks, for slots that a model has once.
    """
    spec = part.kind.SLOTS[name]
    owner, path = {
        "mixer": (part.module, part.path),
        "block": (part.block, part.block_path),
        "backbone": (backbone, backbone_path),
    }[spec.owner]
    for candidate in (spec.parameter,) if isinstance(spec.parameter, str) else spec.parameter:
        candidate = candidate.format(layer=part.layer)
        *steps, parameter = candidate.split(".")
        parent, attribute, module = owner, "", owner
        for step in steps:
            parent, attribute, module = module, step, getattr(module, step, None)
        if module is not None and _holds(module, parameter):
            layer = -1 if spec.owner == "backbone" else part.layer
            whole = ".".join(filter(None, [path, candidate]))
            region = Region(spec.rows(part.module) if spec.rows else None, spec.stacked)
            return Slot(name, spec, layer, part.path, whole, parent, attribute, parameter, region)
    return None


def _holds(module: nn.Module, parameter: str) -> bool:
    """Whether a module, wrapped or not, has a parameter of that name (and not a buffer, or None)."""
    if isinstance(module, AdaptedLinear):
        module = module.base_layer
    return isinstance(own_parameter(module, parameter), nn.Parameter)
