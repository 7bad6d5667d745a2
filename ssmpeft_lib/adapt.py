"""The library without peft: adapt a model, count what is trained, merge, save, load."""

from __future__ import annotations

from torch import nn

from .adapters.attach import Adapted, AdaptedLinear, AdaptedParameter
from .adapters.backbone import Backbone
from .adapters.deltas import Delta
from .adapters.method import Method, build_method
from .adapters.slots import unparametrize


def adapt(model: nn.Module, method: str | Method) -> nn.Module:
    """Freeze a model and attach what a method trains, in place.

    Args:
        model: a transformers model with SSM mixers, or a deep S4.
        method: a method string such as `sdlora,freeze_channels=0.99,freeze_states=0.75`, or a `Method`.
    Returns:
        the same model; its trainable parameters are the method's.
    Raises:
        LookupError: no such method, option, slot or group.
        ValueError: the model has no SSM layers, or an option has a value that it does not take.
    """
    method = build_method(method) if isinstance(method, str) else method
    backbone = Backbone(model)
    model.requires_grad_(False)
    backbone.prepare()
    method.adapt(backbone)
    return model


def count(model: nn.Module) -> dict[str, int | float]:
    """Trainable and total parameters of an adapted model, and the share as the paper prints it.

    A tied embedding counts once. What stands for training a weight itself adds nothing to the total.
    """
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    instead = sum(p.numel() for m in model.modules() if isinstance(m, Delta) and m.replaces for p in m.parameters())
    total = sum(p.numel() for p in model.parameters()) - instead
    return {"trainable": trainable, "total": total, "trainable_pct": 100 * trainable / total}


def merge(model: nn.Module) -> nn.Module:
    """Add every delta to the weight it changes and remove all traces of adaptation, in place.

    Raises:
        ValueError: the model has a learned start or a soft prompt, which no weight can hold.
    """
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in ("start", "soft_prompt") and hasattr(module, "deltas"):
            raise ValueError(f"{name} is a learned input and cannot be merged into a weight; save the adapter instead")
    for name, module in list(model.named_modules()):
        if isinstance(module, Adapted):
            for adapter in list(module.active):
                module.merge(adapter)
        if isinstance(module, AdaptedLinear):
            parent, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent), attribute, module.base_layer)
        elif isinstance(module, AdaptedParameter):
            unparametrize(module)
    for mixer in Backbone(model).mixers:
        mixer.kind.uninstall(mixer.module)
    return model
