"""Models by what users call them: a name of the paper, a folder or configuration of transformers, a family."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn
from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoModelForCausalLM, PretrainedConfig

from ..plan import registry

WHAT = "a name such as mamba-130m, a folder or config.json of transformers, or a family such as bamba"
"""What names a model, for the help of commands."""


def configuration(name: str) -> PretrainedConfig | None:
    """The configuration of transformers that a name stands for; None for a model that is not of transformers.

    Args:
        name: one of the paper's models, a folder with config.json or such a file, or a `model_type` of transformers,
            which stands for its default sizes.
    Raises:
        LookupError: it is none of these.
        ValueError: a config.json cannot be read, or describes no model of transformers.
    """
    if name in registry.entries("models"):
        with torch.device("meta"):
            model = registry.load("models", name).build(**registry.model_facts(name).config)
        return getattr(model, "config", None) if hasattr(model, "generate") else None
    if Path(name).exists():
        return _read(Path(name))
    if name in CONFIG_MAPPING:
        return CONFIG_MAPPING[name]()
    raise LookupError(
        f"{registry.unknown('model', name, registry.entries('models'), 'ssmpeft_lib/models/')}; it is no folder or "
        "config.json that is here either, nor a model_type of transformers. Names on the hub are not looked up: "
        "download config.json first (hf download NAME config.json --local-dir DIR)"
    )


def without_weights(name: str) -> nn.Module:
    """A model in the size that a name stands for, on the meta device.

    Raises:
        LookupError, ValueError: as `configuration`; ValueError where transformers has no such language model.
    """
    with torch.device("meta"):
        if name in registry.entries("models"):
            return registry.load("models", name).build(**registry.model_facts(name).config)
        described = configuration(name)
        if type(described) not in MODEL_FOR_CAUSAL_LM_MAPPING:
            raise ValueError(f"transformers has no language model of {described.model_type}")
        return AutoModelForCausalLM.from_config(described)


def _read(path: Path) -> PretrainedConfig:
    file = path / "config.json" if path.is_dir() else path
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} has no config.json; name a folder that transformers saved a model in") from None
    except (ValueError, OSError) as error:
        raise ValueError(f"{file} is no JSON that can be read ({error})") from None
    if not isinstance(described, dict) or described.get("model_type") not in CONFIG_MAPPING:
        kind = described.get("model_type") if isinstance(described, dict) else None
        hint = "; `python -m ssmpeft_lib convert` makes one of mamba_ssm's" if kind is None else ""
        raise ValueError(f"{file} has model_type {kind!r}, which this transformers does not know{hint}")
    return AutoConfig.from_pretrained(file.parent if file.name == "config.json" else file)
