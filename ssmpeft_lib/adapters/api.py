"""The library without peft: adapt a model, train what a method trains, merge, or take everything away again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from .adapted_model import AdaptedModel
from .adapter_set import AdapterSet
from .attach import Adapted, check_own_weights
from .backbone import Backbone
from .deltas import Delta
from .method import Method, build_method
from .mixed_class import mix_in, take_out
from .slots import Wrappers


@dataclass(frozen=True)
class Adaptation:
    """What a model was adapted with: a method, the name of its adapter, and the classes that carry its deltas."""

    method: Method
    adapter: str = "default"
    wrappers: Wrappers = Wrappers()

    def backbone(self, model: nn.Module) -> Backbone:
        """The model seen through its slots, under the adapter's name."""
        return Backbone(model, self.wrappers, self.adapter)


def adapt(model: nn.Module, method: str | Method) -> nn.Module:
    """Freeze a model and attach what a method trains, in place.

    Args:
        model: a transformers model with SSM mixers, or a deep S4.
        method: a method string such as `sdlora,freeze_channels=0.99,freeze_states=0.75`, or a `Method`.
    Returns:
        the same model; its trainable parameters are the method's.
    Raises:
        LookupError: no such method, option, slot or group.
        TypeError: `method` is something else.
        ValueError: the model has no SSM layers or is adapted already, or an option has a value that it does not take.
    """
    method = build_method(method) if isinstance(method, str) else method
    if not isinstance(method, Method):
        raise TypeError(
            f"a method is a string such as 'lora@out_proj,rank=16', got a {type(method).__name__}; a configuration of "
            "peft goes to peft.get_peft_model, which takes ssmpeft_lib.SSMPeftConfig(method=...) too"
        )
    backbone = Backbone(model)
    with untouched_on_error(model):
        model.requires_grad_(False)
        backbone.prepare()
        method.adapt(backbone)
        mix_in(model, AdaptedModel)
        model.ssmpeft = {backbone.adapter: Adaptation(method)}
    return model


@contextmanager
def untouched_on_error(model: nn.Module) -> Iterator[None]:
    """Take everything away again that was put on a plain model when something goes wrong.

    Raises:
        ValueError: the model is adapted already; its adapters stay.
    """
    if getattr(model, "ssmpeft", None):
        adapters = "; ".join(str(found.method) for found in model.ssmpeft.values())
        raise ValueError(f"the model is adapted already ({adapters}); merge or remove that first")
    trainable = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        yield
    except Exception:
        _restore(model)
        for parameter, flag in trainable:
            parameter.requires_grad_(flag)
        raise


def adaptation_of(model: nn.Module, adapter: str | None = None) -> Adaptation:
    """What a model was adapted with, here or through peft.

    Args:
        adapter: whose; None for the only one, or the only active one.
    Raises:
        ValueError: the model is not adapted, or not under that name, or the name is needed.
    """
    found = _adaptations(model)
    if adapter is None and len(found) == 1:
        return next(iter(found.values()))
    if adapter is None:
        named = [module for module in base_model(model).modules() if isinstance(module, AdapterSet)]
        active = sorted(found.keys() & {name for module in named for name in module.active})
        if len(active) != 1:
            raise ValueError(
                f"{len(active)} adapters of this model are active ({', '.join(active) or 'none'}); "
                f"name one of {', '.join(sorted(found))}"
            )
        return found[active[0]]
    if adapter not in found:
        raise ValueError(f"no adapter {adapter!r} on this model; name one of {', '.join(sorted(found))}")
    return found[adapter]


def _adaptations(model: nn.Module) -> dict[str, Adaptation]:
    found: dict[str, Adaptation] = getattr(base_model(model), "ssmpeft", {})
    if not found:
        raise ValueError(f"{type(model).__name__} is not adapted; call ssmpeft_lib.adapt or peft.get_peft_model first")
    return found


def base_model(model: nn.Module) -> nn.Module:
    """The model inside peft's wrapper, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def count(model: nn.Module) -> dict[str, int | float]:
    """Trainable and total parameters of an adapted model.

    A tied embedding counts once. What stands for training a weight itself adds nothing to the total.
    """
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    instead = sum(p.numel() for m in model.modules() if isinstance(m, Delta) and m.replaces for p in m.parameters())
    total = sum(p.numel() for p in model.parameters()) - instead
    return {"trainable": trainable, "total": total, "trainable_pct": 100 * trainable / total}


def parameter_groups(
    model: nn.Module, learning_rate: float, parameters: Mapping[str, nn.Parameter] | None = None
) -> list[dict]:
    """The trainable parameters for an optimiser, in groups where a method gives some another learning rate (LoRA+).

    Each parameter follows the method of the adapter that it belongs to. transformers' Trainer builds an optimiser of
    one rate for all, unless it gets one: `Trainer(..., optimizers=(torch.optim.AdamW(groups), None))`.

    Args:
        parameters: what stands for the model's own parameters, by their names; None for those themselves.
    Raises:
        ValueError: the model is not adapted.
    """
    found, groups = _adaptations(model), {}
    for name, parameter in (dict(model.named_parameters()) if parameters is None else parameters).items():
        if parameter.requires_grad:
            adapter = name.partition(".deltas.")[2].partition(".")[0]
            times = found[adapter].method.learning_rate_factor(name) if adapter in found else 1.0
            groups.setdefault(times, []).append(parameter)
    return [{"params": group, "lr": times * learning_rate} for times, group in groups.items()]


def merge(model: nn.Module) -> nn.Module:
    """Add every delta to the weight it changes and remove all traces of adaptation, in place.

    Returns:
        the plain model; of one that peft wrapped, what was inside.
    Raises:
        ValueError: the model has a learned start or a soft prompt, which no weight can hold, or quantised weights, or
            weights that several layers share.
    """
    if hasattr(model, "merge_and_unload"):
        return model.merge_and_unload()
    check_own_weights(model)
    for module in model.modules():
        if isinstance(module, AdapterSet):
            module.check_mergeable()
    for module in model.modules():
        if isinstance(module, Adapted):
            for adapter in list(module.active):
                module.merge_in(adapter)
    return _restore(model)


def remove(model: nn.Module) -> nn.Module:
    """Take everything that adapts a model away, in place; what is merged stays in the weights.

    Returns:
        the plain model; of one that peft wrapped, what was inside.
    """
    if hasattr(model, "unload"):
        return model.unload()
    return _restore(model)


def _restore(model: nn.Module) -> nn.Module:
    """Take everything away from a model that nothing wraps."""
    # what is inside first, as paths change with what is around it
    for name, module in reversed(list(model.named_modules())):
        if isinstance(module, AdapterSet):
            path, _, attribute = name.rpartition(".")
            module.take_away(model.get_submodule(path), attribute)
    Backbone(model).restore()
    take_out(model, AdaptedModel)
    model.__dict__.pop("ssmpeft", None)
    return model
