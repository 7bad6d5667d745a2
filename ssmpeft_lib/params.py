"""How many parameters a method trains, on the meta device: no weights, no download, any size."""

from __future__ import annotations

import torch

from .adapt import adapt, adaptation, count
from .plan import registry


def params(model: str, method: str) -> dict[str, int | float | str]:
    """Count the parameters of a method on one of the paper's models.

    Args:
        model: a name such as `mamba-130m`.
        method: a method string such as `lora@out_proj`.
    Returns:
        model, method, trainable, total (frozen and adapter parameters, a tied embedding once) and trainable_pct, the
        share as the paper prints it. With a method that has a warm-up, the paper's total also holds the numbers that
        the warm-up chooses by: total_with_warmup, which trainable_pct is the share of.
    Raises:
        LookupError: no such model, method, option or slot.
        ValueError: an option has a value that it does not take.
    """
    facts = registry.facts("models", model)
    with torch.device("meta"):
        network = adapt(registry.load("models", model).build(**facts["config"]), method)
    counted = {"model": model, "method": method, **count(network)}
    found = adaptation(network)
    if found.method.selects:
        counted["total_with_warmup"] = counted["total"] + found.method.buffer_size(found.backbone(network))
        counted["trainable_pct"] = 100 * counted["trainable"] / counted["total_with_warmup"]
    return counted
