"""A model seen through its slots."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ..plan.registry import files, unknown
from .attach import Adapted, AdaptedLinear
from .prompts import SoftPrompt
from .region import Region
from .slots import Slot, SlotSpec, Wrappers


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


@dataclass
class Backbone:
    """A model, the SSM mixers in it, and the slots that methods adapt.

    Attributes:
        model: any module with SSM mixers: a transformers model, or a deep S4.
        wrappers: the classes that carry deltas.
        adapter: name under which deltas are attached.
    """

    model: nn.Module
    wrappers: Wrappers = Wrappers()
    adapter: str = "default"
    mixers: list[Part] = field(init=False)
    layers: list[Part] = field(init=False)

    def __post_init__(self) -> None:
        self.mixers = list(_find(self.model, "mixers"))
        self.layers = list(_find(self.model, "layers"))
        if not self.mixers:
            raise ValueError(
                f"{type(self.model).__name__} has no SSM layers: no module in it holds the parameters of a mixer "
                f"that is known here ({', '.join(files('mixers'))})"
            )

    def prepare(self) -> None:
        """Give every mixer the forward of its kind, in which every adapter acts in training and in evaluation alike."""
        for mixer in self.mixers:
            mixer.kind.install(mixer.module)

    def restore(self) -> None:
        """Give every mixer its own forward back."""
        for mixer in self.mixers:
            mixer.kind.uninstall(mixer.module)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Names that stand for several slots."""
        groups: dict[str, tuple[str, ...]] = {}
        for kind in dict.fromkeys(part.kind for part in [*self.mixers, *self.layers]):
            for name, slots in kind.GROUPS.items():
                groups[name] = (*groups.get(name, ()), *slots)
        return groups

    def slots(self, targets: tuple[str, ...], within_group: Callable[[Slot], bool] = lambda slot: True) -> list[Slot]:
        """The slots that targets name, in the order of the layers.

        Args:
            targets: names of slots or of groups.
            within_group: which slots of a group are meant; a slot named by itself is always meant.
        Raises:
            LookupError: a name that is neither a slot nor a group of this model.
            ValueError: the targets name no slot.
        """
        groups, present = self.groups(), self._all_slots()
        names = {slot.name for slot in present}
        for target in targets:
            if target not in names and target not in groups:
                raise LookupError(unknown("slot or group", target, names | set(groups), type(self.model).__name__))
        meant = [slot for slot in present if any(_means(target, slot, groups, within_group) for target in targets)]
        if not meant:
            raise ValueError(
                f"{'+'.join(targets)!r} names no slot of {type(self.model).__name__} that can be adapted so"
            )
        return meant

    def values(self, part: Part, warmed: bool) -> SimpleNamespace:
        """Raw parameters and biases of one mixer's SSM by the names of their slots, frozen or as they are now."""
        raw = [slot for slot in self.slots_of(part, "ssm") if not slot.is_projection]
        return SimpleNamespace(**{slot.name: (slot.effective if warmed else slot.weight).detach() for slot in raw})

    def slots_of(self, part: Part, group: str) -> list[Slot]:
        """The slots of one mixer that belong to a group; an empty list when there are none."""
        found = (self._locate(part, name) for name in part.kind.GROUPS.get(group, ()))
        return [slot for slot in found if slot is not None]

    def attach(self, slot: Slot, delta: nn.Module) -> Adapted:
        """Attach a delta to a slot under this backbone's adapter name."""
        return slot.attach(delta, self.adapter, self.wrappers)

    def delta(self, slot: Slot) -> nn.Module:
        """The delta that this backbone's adapter has at a slot."""
        return slot.adapted().deltas[self.adapter][slot.name]

    def attach_start(self, mixer: Part, start: nn.Module) -> None:
        """Let one mixer start from a learned state; `start(mixer)` returns a `Start`."""
        if not hasattr(mixer.module, "start"):
            mixer.module.start = self.wrappers.starts(mixer.module)
        mixer.module.start.add(self.adapter, start)

    def attach_prompt(self, tokens: int) -> None:
        """Put a soft prompt of `tokens` embeddings in front of every input.

        Raises:
            ValueError: the model does not embed tokens.
        """
        core = self.model.get_submodule(self.path)
        if not hasattr(core, "get_input_embeddings"):
            raise ValueError(
                f"{type(self.model).__name__} embeds no tokens, a soft prompt has nothing to stand in front of"
            )
        if not hasattr(core, "soft_prompt"):
            core.soft_prompt = self.wrappers.prompts(core)
        core.soft_prompt.add(self.adapter, SoftPrompt(tokens, core.get_input_embeddings().weight))

    @property
    def path(self) -> str:
        """Path of the module that holds the blocks and the last norm."""
        return _split_at_block(self.mixers[0].path)[0]

    def _all_slots(self) -> list[Slot]:
        found = []
        for part in [*self.mixers, *self.layers]:
            for name, spec in part.kind.SLOTS.items():
                if spec.owner != "backbone" or part is self.mixers[0] or "{layer}" in spec.parameter:
                    found.append(self._locate(part, name))
        return [slot for slot in found if slot is not None]

    def _locate(self, part: Part, name: str) -> Slot | None:
        spec = part.kind.SLOTS[name]
        owner, path = {
            "mixer": (part.module, part.path),
            "block": (part.block, part.block_path),
            "backbone": (self.model.get_submodule(self.path), self.path),
        }[spec.owner]
        for candidate in (spec.parameter,) if isinstance(spec.parameter, str) else spec.parameter:
            candidate = candidate.format(layer=part.layer)
            *steps, parameter = candidate.split(".")
            parent, attribute, module = owner, "", owner
            for step in steps:
                parent, attribute, module = module, step, getattr(module, step, None)
            if module is not None and _holds(module, parameter):
                return _slot(name, spec, part, ".".join(filter(None, [path, candidate])), parent, attribute, parameter)
        return None


def _slot(name: str, spec: SlotSpec, part: Part, path: str, parent: nn.Module, attribute: str, parameter: str) -> Slot:
    return Slot(
        name=name,
        layer=-1 if spec.owner == "backbone" else part.layer,
        part=part.path,
        path=path,
        parent=parent,
        attribute=attribute,
        parameter=parameter,
        region=Region(spec.rows(part.module) if spec.rows else None, spec.stacked),
        channel_axis=spec.channel_axis,
        state_axis=spec.state_axis,
        silent=spec.silent,
        complex_pairs=spec.complex_pairs,
    )


def _holds(module: nn.Module, parameter: str) -> bool:
    """Whether a module, wrapped or not, has a parameter of that name (and not a buffer, or None)."""
    if isinstance(module, AdaptedLinear):
        module = module.base_layer
    return isinstance(module._parameters.get(parameter), nn.Parameter) or is_parametrized(module, parameter)


def _find(model: nn.Module, folder: str) -> Iterator[Part]:
    kinds = [importlib.import_module(f"ssmpeft_lib.{folder}.{name}") for name in files(folder)]
    for path, module in model.named_modules():
        kind = next((kind for kind in kinds if kind.matches(module)), None)
        if kind is not None:
            block_path = path.rpartition(".")[0]
            layer = _split_at_block(path)[1]
            yield Part(path, module, kind, block_path, model.get_submodule(block_path), layer)


def _split_at_block(path: str) -> tuple[str, int]:
    """`model.layers.3.mixer` as (`model`, 3); ("", 0) when no list of blocks is on the way."""
    steps = path.split(".")
    index = next((i for i, step in enumerate(steps) if step.isdigit()), None)
    return ("", 0) if index is None else (".".join(steps[: index - 1]), int(steps[index]))


def _means(target: str, slot: Slot, groups: dict, within_group: Callable[[Slot], bool]) -> bool:
    if target == slot.name:
        return True
    return slot.name in groups.get(target, ()) and within_group(slot)
