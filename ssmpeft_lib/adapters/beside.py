"""Slots of a model that belong to no kind of part: linear layers that none knows, the embedding and the head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn

from ..compat.torch import own_parameter
from .attach import AdaptedLinear
from .region import Region
from .slots import Slot, SlotSpec

OTHER = "other_linear"
"""Name of the slots of linear layers that no kind of part has: routers, projections between blocks."""

EMBEDDING, HEAD = "embedding", "lm_head"


def slots_beside(model: nn.Module, slots: Iterable[Slot]) -> Iterator[Slot]:
    """The linear layers that other slots leave out, and the embedding and the head where they are not tied.

    A tied weight has two readers, of which an adapter would change one: it has no slot.

    Args:
        slots: those of the model's parts.
    """
    known, ends = {slot.path for slot in slots}, dict(_ends(model))
    for path, module in model.named_modules():
        base = module.base_layer if isinstance(module, AdaptedLinear) else module
        whole = f"{path}.weight"
        # what is inside of an adapted layer is the layer itself
        if whole in known or path.endswith(".base_layer") or id(base) not in ends and not isinstance(base, nn.Linear):
            continue
        name = ends.get(id(base), OTHER)
        if name:
            yield _slot(model, name, path)


def tied_ends(model: nn.Module) -> bool:
    """Whether the embedding and the head share their weight."""
    return "" in dict(_ends(model)).values()


def _ends(model: nn.Module) -> Iterator[tuple[int, str]]:
    """The embedding and the head by their identities, with the names of their slots; empty ones where they are tied."""
    found = [getattr(model, f"get_{end}_embeddings", lambda: None)() for end in ("input", "output")]
    bare = [module.base_layer if isinstance(module, AdaptedLinear) else module for module in found]
    weights = [None if module is None else own_parameter(module, "weight") for module in bare]
    tied = weights[0] is not None and weights[0] is weights[1]
    for name, module in zip((EMBEDDING, HEAD), bare, strict=True):
        if module is not None:
            yield id(module), "" if tied else name


def _slot(model: nn.Module, name: str, path: str) -> Slot:
    parent, _, attribute = path.rpartition(".")
    steps = [int(step) for step in path.split(".") if step.isdigit()]
    layer = steps[0] if steps and name == OTHER else -1
    owner = model.get_submodule(parent)
    return Slot(name, SlotSpec("weight"), layer, parent, f"{path}.weight", owner, attribute, "weight", Region())
