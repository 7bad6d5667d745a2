"""How many parameters a method trains, on the meta device: no weights, no download, any size."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..plan import registry
from .adapter_set import AdapterSet
from .api import adapt, adaptation_of, count


def params(model: str, method: str) -> dict[str, Any]:
    """Count the parameters of a method on one of the paper's models.

    Args:
        model: a name such as `mamba-130m`.
        method: a method string such as `lora@out_proj`.
    Returns:
        model, method, trainable, total (frozen and adapter parameters, a tied embedding once) and trainable_pct, the
        share as the paper prints it. With a method that has a warm-up, the paper's total also holds the numbers that
        the warm-up chooses by: total_with_warmup, which trainable_pct is the share of. For deep S4 (Table 4) it is the
        share of the model without adapters. And slots: for each slot that is trained, how many numbers (`parameters`)
        and of what kind (`how`, in words).
    Raises:
        LookupError: no such model, method, option or slot.
        ValueError: an option has a value that it does not take.
    """
    facts = registry.model_facts(model)
    with torch.device("meta"):
        network = registry.load("models", model).build(**facts.config)
        base = sum(parameter.numel() for parameter in network.parameters())
        adapt(network, method)
    counted = count(network)
    found = adaptation_of(network)
    if found.method.selects:
        counted["total_with_warmup"] = counted["total"] + found.method.buffer_size(found.backbone(network))
    whole = base if facts.share_of == "base" else counted.get("total_with_warmup", counted["total"])
    counted["trainable_pct"] = 100 * counted["trainable"] / whole
    return {"model": model, "method": method, **counted, "slots": trained_slots(network)}


def trained_slots(network: nn.Module) -> dict[str, dict[str, int | str]]:
    """What an adapted model trains, by slot; `everything` where no delta was attached but parameters are trained."""
    found: dict[str, dict[str, int | str]] = {}

    def add(slot: str, trained: nn.Module, how: str) -> None:
        numbers = sum(parameter.numel() for parameter in trained.parameters() if parameter.requires_grad)
        if numbers:
            entry = found.setdefault(slot, {"parameters": 0, "how": how})
            entry["parameters"] += numbers

    for module in network.modules():
        if isinstance(module, AdapterSet):
            for slot, trained in module.trained():
                add(slot, trained, trained.how)
    if not found:
        add("everything", network, "every parameter")
    return found
