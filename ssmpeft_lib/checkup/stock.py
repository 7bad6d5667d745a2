"""What a user of Hugging Face peft would write for a method: its own tuner on the modules that the slots lie in."""

from __future__ import annotations

from peft import get_peft_model
from torch import nn

from ..adapters.backbone import Backbone
from ..adapters.method import build_method


def adapt_with_stock_peft(model: nn.Module, method: str) -> nn.Module:
    """Adapt a model with peft's own tuner, as the method's `stock_peft` configures it.

    Raises:
        ValueError: peft has no counterpart, or refuses.
    """
    return get_peft_model(model, build_method(method).stock_peft(Backbone(model)))
