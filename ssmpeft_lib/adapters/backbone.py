"""A model seen through its slots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

from torch import nn

from ..compat.transformers import hooks_of
from ..ops import Linear
from ..plan.registry import unknown
from .attach import Adapted
from .beside import EMBEDDING, HEAD, slots_beside, tied_ends
from .inputs.learned import LearnedInMixer
from .inputs.prompts import SoftPrompt
from .labels import be_silent_on_labels, warn_of_batches_without_labels
from .packed import part_documents, run_documents_on
from .parts import Part, blocks_around, find_parts, locate, split_at_block, ssm_kinds
from .quantised import quantiser_of
from .slots import Slot, Wrappers


@dataclass
class Backbone:
    """A model, the SSM mixers in it, and the slots that methods adapt.

    Attributes:
        model: any module with SSM mixers: a transformers model, or a deep S4.
        wrappers: the classes that carry deltas.
        adapter: name under which deltas are attached.
        mixers, others: the SSM mixers, and what stands beside them and holds slots.
    """

    model: nn.Module
    wrappers: Wrappers = Wrappers()
    adapter: str = "default"
    mixers: list[Part] = field(init=False)
    others: list[Part] = field(init=False)

    def __post_init__(self) -> None:
        parts = list(find_parts(self.model))
        self.mixers = [part for part in parts if part.is_ssm]
        self.others = [part for part in parts if not part.is_ssm]
        if not self.mixers:
            raise ValueError(
                f"{type(self.model).__name__} has no SSM layers: no module in it holds the parameters of a mixer "
                f"that is known here ({', '.join(ssm_kinds())}); `python -m ssmpeft_lib families` lists the "
                "models that have some"
            )

    def prepare(self) -> None:
        """Give every mixer the forward of its kind, in which every adapter acts in training and in evaluation alike.

        Linear layers get the fast product of this processor, and the documents of a row are kept apart.
        """
        self._check_in_memory()
        for mixer in self.mixers:
            mixer.install()
        warn_of_batches_without_labels(self.model)
        part_documents(self.model, self.model.get_submodule(self.path), self._blocks())
        _exchange(self.model, nn.Linear, Linear)

    def _check_in_memory(self) -> None:
        for path, module in self.model.named_modules():
            if any(getattr(hook, "offload", False) for hook in hooks_of(module)):
                raise ValueError(
                    f"the weights of {path or 'the model'} are offloaded and come back for single calls only, which "
                    "adapters do not survive; load the model without offloading (device_map that fits, or none)"
                )

    def _blocks(self) -> list[nn.Module]:
        """The blocks around mixers that keep documents apart."""
        mixers = [mixer for mixer in self.mixers if hasattr(mixer.module, "documents")]
        paths = dict.fromkeys(path for mixer in mixers for path in blocks_around(mixer.path))
        return [self.model.get_submodule(path) for path in paths]

    def train_everything(self) -> None:
        """Train every parameter of the model.

        Raises:
            ValueError: a weight is quantised.
        """
        for path, module in self.model.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                found = quantiser_of(parameter, module if name == "weight" else None)
                if found:
                    raise ValueError(f"{path}.{name} is quantised ({found}) and cannot be trained; adapt with lora")
        self.model.requires_grad_(True)

    def restore(self) -> None:
        """Give every mixer its own forward back."""
        be_silent_on_labels(self.model)
        run_documents_on(self.model, self.model.get_submodule(self.path), self._blocks())
        for mixer in self.mixers:
            mixer.uninstall()
        _exchange(self.model, Linear, nn.Linear)

    def groups(self, present: list[Slot] | None = None) -> dict[str, tuple[str, ...]]:
        """Names that stand for several slots; `present` are all of the model, where they are known already."""
        groups: dict[str, tuple[str, ...]] = {}
        for kind in dict.fromkeys(part.kind for part in [*self.mixers, *self.others]):
            for name, slots in kind.GROUPS.items():
                groups[name] = (*groups.get(name, ()), *slots)
        present = self.all_slots() if present is None else present
        linear = dict.fromkeys(slot.name for slot in present if slot.is_linear and slot.name != HEAD)
        return groups | {"all_linear": tuple(linear)}

    def slots(self, targets: tuple[str, ...], within_group: Callable[[Slot], bool] = lambda slot: True) -> list[Slot]:
        """The slots that targets name, in the order of the layers.

        Args:
            targets: names of slots or of groups.
            within_group: which slots of a group are meant; a slot named by itself is always meant.
        Raises:
            LookupError: a name that is neither a slot nor a group of this model.
            ValueError: the targets name no slot.
        """
        present = self.all_slots()
        groups = self.groups(present)
        names = {slot.name for slot in present}
        for target in targets:
            if target not in names and target not in groups:
                message = unknown("slot or group", target, names | set(groups), type(self.model).__name__)
                raise LookupError(message + self._hint(target, present))
        meant = [slot for slot in present if any(_means(target, slot, groups, within_group) for target in targets)]
        if not meant:
            raise ValueError(
                f"{'+'.join(targets)!r} names no slot of {type(self.model).__name__} that can be adapted so"
            )
        return meant

    def _hint(self, target: str, present: list[Slot]) -> str:
        """What to write for the name of a module, as peft has them, or for a weight that has no slot."""
        if target in (EMBEDDING, HEAD) and tied_ends(self.model):
            return f"; {EMBEDDING} and {HEAD} are one weight in this model, of which no adapter can change one reader"
        here = list(dict.fromkeys(slot.name for slot in present if target in slot.path.split(".")))
        return f"; the module {target} has the slots {'+'.join(here)}" if here else ""

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
        """Let one mixer start from a learned state; `start(mixer, dtype)` returns a `Start`."""
        self._attach_in(mixer, "start", self.wrappers.starts, start)

    def attach_offset(self, mixer: Part, offset: nn.Module) -> None:
        """Let one mixer add a learned offset at every token; `offset()` returns an `Offset`."""
        self._attach_in(mixer, "offset", self.wrappers.offsets, offset)

    def attach_further(self, mixer: Part, states: nn.Module) -> None:
        """Let further states run in one mixer's scan; `states` are `FurtherStates`."""
        self._attach_in(mixer, "further", self.wrappers.further, states)

    def attach_beside(self, mixer: Part, network: nn.Module) -> None:
        """Let a network run beside one mixer; `network(hidden_states)` is added to its output."""
        self._attach_in(mixer, "beside", self.wrappers.beside, network)

    def _attach_in(self, mixer: Part, attribute: str, carrier: type[LearnedInMixer], learned: nn.Module) -> None:
        if not hasattr(mixer.module, attribute):
            setattr(mixer.module, attribute, carrier(mixer.module).train(mixer.module.training))
        getattr(mixer.module, attribute).add(self.adapter, learned)

    def attach_prompt(self, tokens: int) -> None:
        """Put a soft prompt of `tokens` embeddings in front of every input.

        Raises:
            ValueError: the model does not embed tokens.
        """
        core = self.model.get_submodule(self.path)
        if not hasattr(core, "get_input_embeddings"):
            raise ValueError(
                f"{type(self.model).__name__} embeds no tokens, a soft prompt has nothing to stand in front of; "
                "prefix puts learned vectors in front of every layer"
            )
        if not hasattr(core, "soft_prompt"):
            core.soft_prompt = self.wrappers.prompts(core)
        core.soft_prompt.add(self.adapter, SoftPrompt(tokens, core.get_input_embeddings().weight))

    @property
    def path(self) -> str:
        """Path of the module that holds the blocks and the last norm."""
        return split_at_block(self.mixers[0].path)[0]

    def all_slots(self) -> list[Slot]:
        """Every slot of the model: of mixers first, of what stands beside them, and of no part last."""
        found = []
        for part in [*self.mixers, *self.others]:
            for name, spec in part.kind.SLOTS.items():
                if spec.owner != "backbone" or part is self.mixers[0] or "{layer}" in spec.parameter:
                    found.append(self._locate(part, name))
        found = [slot for slot in found if slot is not None]
        return [*found, *slots_beside(self.model, found)]

    def _locate(self, part: Part, name: str) -> Slot | None:
        return locate(part, name, self.model.get_submodule(self.path), self.path)


def _exchange(model: nn.Module, old: type, new: type) -> None:
    """Change the class of the modules that are exactly of one class."""
    for module in model.modules():
        if type(module) is old:
            module.__class__ = new


def _means(target: str, slot: Slot, groups: dict, within_group: Callable[[Slot], bool]) -> bool:
    if target == slot.name:
        return True
    return slot.name in groups.get(target, ()) and within_group(slot)
