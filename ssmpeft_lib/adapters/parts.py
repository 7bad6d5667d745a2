"""The parts of a model that hold slots: SSM mixers, and what stands beside them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import nn

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
        kind: the module of `ssmpeft_lib.mixers` or `ssmpeft_lib.layers` that knows it.
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
    def state_shape(self) -> tuple[int, ...]:
        """Shape of the state of one sequence.

        Raises:
            ValueError: the mixer's forward cannot start from a state.
        """
        return self._of_start("state_shape", "a state")

    @property
    def columns_shape(self) -> tuple[int, int]:
        """Shape of what the convolution remembers of one sequence; raises as `state_shape` does."""
        return self._of_start("columns_shape", "columns of a convolution")

    @property
    def prefix_width(self) -> int:
        """Size of one prefix vector; raises as `state_shape` does."""
        return self._of_start("prefix_width", "a prefix")

    def _of_start(self, attribute: str, what: str):
        if not hasattr(self.module, attribute):
            raise ValueError(f"{self.path} ({type(self.module).__name__}) cannot start from {what}")
        return getattr(self.module, attribute)


def find_parts(model: nn.Module, folder: str) -> Iterator[Part]:
    """The parts of a model that a kind in `ssmpeft_lib/<folder>/` knows, in the order of the model."""
    kinds = [importlib.import_module(f"ssmpeft_lib.{folder}.{name}") for name in files(folder)]
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
