"""What a user of Hugging Face peft would write for a method: its own tuner on the modules that the slots lie in."""

from __future__ import annotations

from peft import LoraConfig, PeftConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from torch import nn

from ..adapters.backbone import Backbone
from ..adapters.method import Method, build_method, registry_name
from ..methods.lora import LoRA


def adapt_with_stock_peft(model: nn.Module, method: str) -> nn.Module:
    """Adapt a model with peft's own tuner.

    Args:
        method: lora or dora with any slots, lora_plus, prompt or prefix.
    Raises:
        ValueError: peft has no counterpart, or refuses.
    """
    return get_peft_model(model, _config(build_method(method), Backbone(model)))


def _config(method: Method, backbone: Backbone) -> PeftConfig:
    name = registry_name(method)
    if name in ("prompt", "prefix"):
        # peft asks for a number of heads, which an SSM does not have
        heads = getattr(backbone.model.config, "num_attention_heads", 1)
        options = {"task_type": "CAUSAL_LM", "num_virtual_tokens": method.tokens, "num_attention_heads": heads}
        if name == "prompt":
            return PromptTuningConfig(**options)
        return PrefixTuningConfig(**options, prefix_projection=method.mlp)
    if not isinstance(method, LoRA):
        raise ValueError(f"peft has no tuner that does what {name!r} does")
    slots = backbone.slots(method.targets, within_group=lambda slot: slot.is_projection)
    # peft cannot address rows of a fused projection, so that in_proj_x becomes all of in_proj
    modules = sorted({slot.path.split(".")[-2] for slot in slots if slot.attribute})
    parameters = sorted({slot.path.removeprefix(f"{slot.part}.") for slot in slots if not slot.attribute})
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=0.0 if parameters else method.dropout,
        use_dora=name == "dora",
        target_modules=modules,
        target_parameters=parameters or None,
    )
