"""How many parameters a method trains, on the meta device: no weights, no download, any size."""

from __future__ import annotations

import torch

from .adaptation import adapt, adaptation_of, count
from .plan import registry


def params(model: str, method: str) -> dict[str, int | float | str]:
    """Count the parameters of a method on one of the paper's models.

    Args:
        model: a name such as `mamba-130m`.
        method: a method string such as `lora@out_proj`.
    Returns:
        model, method, trainable, total (frozen and adapter parameters, a tied embedding once) and trainable_pct, the
        share as the paper prints it. With a method that has a warm-up, the paper's total also holds the numbers that
        the warm-up chooses by: total_with_warmup, which trainable_pct is the share of. For deep S4 (Table 4) it is the
        share of the model without adapters.
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
    return {"model": model, "method": method, **counted, "trainable_pct": 100 * counted["trainable"] / whole}
