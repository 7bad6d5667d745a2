"""How many parameters a method trains, on the meta device: no weights, no download, any size."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..plan import registry
from .api import adapt, adaptation_of, count
from .attach import Adapted
from .inputs.prompts import Prompts
from .inputs.starts import Starts


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
        and as what (`how`, the class of the delta).
    Raises:
        LookupError: no such model, method, option or slot.
        ValueError: an option has a value that it does not take.
    """
    facts = registry.facts("models", model)
    with torch.device("meta"):
        network = registry.load("models", model).build(**facts["config"])
        base = sum(parameter.numel() for parameter in network.parameters())
        adapt(network, method)
    counted = count(network)
    found = adaptation_of(network)
    if found.method.selects:
        counted["total_with_warmup"] = counted["total"] + found.method.buffer_size(found.backbone(network))
    whole = base if facts.get("share_of") == "base" else counted.get("total_with_warmup", counted["total"])
    counted["trainable_pct"] = 100 * counted["trainable"] / whole
    return {"model": model, "method": method, **counted, "slots": trained_slots(network)}


def trained_slots(network: nn.Module) -> dict[str, dict[str, int | str]]:
    """What an adapted model trains, by slot; `everything` where no delta was attached but parameters are trained."""
    found: dict[str, dict[str, int | str]] = {}

    def add(slot: str, trained: nn.Module) -> None:
        numbers = sum(parameter.numel() for parameter in trained.parameters() if parameter.requires_grad)
        if numbers:
            entry = found.setdefault(slot, {"parameters": 0, "how": type(trained).__name__})
            entry["parameters"] += numbers

    for module in network.modules():
        if isinstance(module, Adapted):
            for deltas in module.deltas.values():
                for slot, delta in deltas.items():
                    add(slot, delta)
        elif isinstance(module, Starts | Prompts):
            for delta in module.deltas.values():
                add("initial_state" if isinstance(module, Starts) else "soft_prompt", delta)
    if not found:
        add("everything", network)
    return found
