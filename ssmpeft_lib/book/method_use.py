"""How a method is used, without peft and with it, as code that runs."""

from __future__ import annotations

from typing import Any

from ..plan import registry

MODEL = "state-spaces/mamba-130m-hf"
"""The model of the examples: the smallest of the paper's, in transformers' format."""

PLAIN = """import ssmpeft_lib
import torch
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("{model}")
model = ssmpeft_lib.adapt(model, "{method}")
"""
SELECT = "ssmpeft_lib.initialize_sdt_weights(model, batches)  # chooses what is trained, by training on your batches\n"
OPTIMIZER = "optimizer = torch.optim.AdamW(ssmpeft_lib.parameter_groups(model, 1e-3))\n"

PEFT = """import ssmpeft_lib
from peft import get_peft_model
from transformers import AutoModelForCausalLM

config = ssmpeft_lib.SSMPeftConfig(method="{method}", task_type="CAUSAL_LM")
model = get_peft_model(AutoModelForCausalLM.from_pretrained("{model}"), config)
"""
CALLBACK = "callbacks = [ssmpeft_lib.SelectBeforeTraining()]  # for transformers' Trainer: chooses what is trained\n"


def examples(name: str, options: list[dict[str, str]]) -> dict[str, str]:
    """Python code by what stands over it; nothing for a method that trains nothing.

    Args:
        name: the method.
        options: its options, as `methods._catalogue` lists them.
    """
    if registry.class_literal("methods", name, "learning_rate") == 0:
        return {}
    selects = registry.class_literal("methods", name, "selects", False)
    method = method_string(name, options)
    # what has no option trains the whole model, unless slots are named; of that peft would have nothing to save
    whole = not options and registry.class_literal("methods", name, "acts_on_slots", True)
    return {
        "Without peft": PLAIN.format(model=MODEL, method=method) + (SELECT if selects else "") + OPTIMIZER,
        "With peft": PEFT.format(model=MODEL, method=f"{method}@out_proj" if whole else method)
        + (CALLBACK if selects else ""),
    }


def method_string(name: str, options: list[dict[str, Any]]) -> str:
    """The method with its first option that is a number written out, to show how one is."""
    numbers = [one for one in options if one["default"].replace(".", "", 1).isdigit()]
    return f"{name},{numbers[0]['name']}={numbers[0]['default']}" if numbers else name
