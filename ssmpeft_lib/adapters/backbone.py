"""A model seen through its slots."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType

from torch import nn

from ..plan.registry import files, unknown
from .attach import Adapted
from .prompts import SoftPrompt
from .slots import Slot, SlotSpec, Wrappers


@dataclass(frozen=True)
class Mixer:
    """One SSM mixer of a model: the module, its kind (a module of `ssmpeft_lib.mixers`), its block and its index."""

    path: str
    module: nn.Module
    kind: ModuleType
    block: nn.Module
    block_path: str
    layer: int


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
    mixers: list[Mixer] = field(init=False)

    def __post_init__(self) -> None:
        self.mixers = list(_find_mixers(self.model))
        if not self.mixers:
            raise ValueError(
                f"{type(self.model).__name__} has no SSM layers: no module in it holds the parameters of a mixer "
                f"that is known here ({', '.join(files('mixers'))})"
            )

    def prepare(self) -> None:
        """Give every mixer the forward of its kind, in which every adapter acts in training and in evaluation alike."""
        for mixer in self.mixers:
            mixer.kind.install(mixer.module)

    def slot_names(self) -> list[str]:
        """Names of the slots that this model has."""
        return sorted({slot.name for slot in self._all_slots()})

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Names that stand for several slots: those of the mixers' kinds, `all`, and each slot's own name."""
        groups: dict[str, tuple[str, ...]] = {}
        for mixer in self.mixers:
            groups |= mixer.kind.GROUPS
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

    def attach(self, slot: Slot, delta: nn.Module) -> Adapted:
        """Attach a delta to a slot under this backbone's adapter name."""
        return slot.attach(delta, self.adapter, self.wrappers)

    def attach_start(self, mixer: Mixer, start: nn.Module) -> None:
        """Let one mixer start from a learned state; `start(mixer)` returns a `Start`.

        Raises:
            ValueError: the mixer's forward cannot start from a state.
        """
        if not hasattr(mixer.module, "start"):
            mixer.module.start = self.wrappers.starts(mixer.module)
        mixer.module.start.add(self.adapter, start)

    def attach_prompt(self, tokens: int) -> None:
        """Put a soft prompt of `tokens` embeddings in front of every input.

        Raises:
            ValueError: the model does not embed tokens.
        """
        core = self.model.get_submodule(self.backbone_path)
        if not hasattr(core, "get_input_embeddings"):
            raise ValueError(
                f"{type(self.model).__name__} embeds no tokens, a soft prompt has nothing to stand in front of"
            )
        if not hasattr(core, "soft_prompt"):
            core.soft_prompt = self.wrappers.prompts(core)
        core.soft_prompt.add(self.adapter, SoftPrompt(tokens, core.get_input_embeddings().weight))

    def _all_slots(self) -> list[Slot]:
        found = []
        for mixer in self.mixers:
            for name, spec in mixer.kind.SLOTS.items():
                owner, path = _owner(self, mixer, spec)
                if spec.owner == "backbone" and mixer.layer != self.mixers[0].layer:
                    continue
                slot = _locate(name, spec, owner, path, mixer)
                if slot is not None:
                    found.append(slot)
        return found

    @property
    def backbone_path(self) -> str:
        """Path of the module that holds the blocks and the last norm."""
        return self.mixers[0].block_path.rsplit(".", 2)[0] if "." in self.mixers[0].block_path else ""


def _find_mixers(model: nn.Module) -> Iterator[Mixer]:
    kinds = [importlib.import_module(f"ssmpeft_lib.mixers.{name}") for name in files("mixers")]
    layer = 0
    for path, module in model.named_modules():
        kind = next((kind for kind in kinds if kind.matches(module)), None)
        if kind is not None:
            block_path = path.rpartition(".")[0]
            yield Mixer(path, module, kind, model.get_submodule(block_path), block_path, layer)
            layer += 1


def _means(target: str, slot: Slot, groups: dict, within_group: Callable[[Slot], bool]) -> bool:
    if target == slot.name:
        return True
    return slot.name in groups.get(target, ()) and within_group(slot)


def _owner(backbone: Backbone, mixer: Mixer, spec: SlotSpec) -> tuple[nn.Module, str]:
    if spec.owner == "mixer":
        return mixer.module, mixer.path
    if spec.owner == "block":
        return mixer.block, mixer.block_path
    return backbone.model.get_submodule(backbone.backbone_path), backbone.backbone_path


def _locate(name: str, spec: SlotSpec, owner: nn.Module, path: str, mixer: Mixer) -> Slot | None:
    for candidate in (spec.parameter,) if isinstance(spec.parameter, str) else spec.parameter:
        *steps, parameter = candidate.split(".")
        parent, attribute, module = owner, "", owner
        for step in steps:
            parent, attribute, module = module, step, getattr(module, step, None)
        if module is not None and getattr(module, parameter, None) is not None:
            return Slot(
                name=name,
                layer=-1 if spec.owner == "backbone" else mixer.layer,
                path=".".join(filter(None, [path, candidate])),
                parent=parent,
                attribute=attribute,
                parameter=parameter,
                rows=spec.rows(mixer.module) if spec.rows else None,
                channel_axis=spec.channel_axis,
                state_axis=spec.state_axis,
            )
    return None
