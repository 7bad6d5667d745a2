"""How many parameters a method trains, on the meta device: no weights, no download, any size."""

from __future__ import annotations

import torch

from .adapt import adapt, count
from .plan import registry


def params(model: str, method: str) -> dict[str, int | float | str]:
    """Count the parameters of a method on one of the paper's models.

    Args:
        model: a name such as `mamba-130m`.
        method: a method string such as `lora@out_proj`.
    Returns:
        model, method, trainable, total (frozen and adapter parameters, a tied embedding once) and trainable_pct.
    Raises:
        LookupError: no such model, method, option or slot.
    """
    facts = registry.facts("models", model)
    with torch.device("meta"):
        network = registry.load("models", model).build(**facts["config"])
        adapt(network, method)
    return {"model": model, "method": method, **count(network)}
