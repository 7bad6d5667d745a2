"""Models of transformers as checkpoints that mamba_ssm loads: the way back of `_convert`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..plan.atomic import replacing_folder
from ..plan.reading import read_json
from ._convert import SSM

if TYPE_CHECKING:
    from transformers import PretrainedConfig

LAYERS = {"mamba": "Mamba1", "mamba2": "Mamba2"}
"""What mamba_ssm calls the layers of transformers' model types."""

ONLY_MAMBA2 = ("head_dim", "n_groups", "chunk_size")
ONLY_MAMBA1 = ("time_step_rank",)


def convert_back(source: str | Path, target: str | Path) -> Path:
    """Convert a folder of transformers' Mamba or Mamba-2 into one that mamba_ssm loads.

    Args:
        source: folder that `save_pretrained` wrote, such as that of a merged model.
        target: folder to write; must not exist, or be empty.
    Returns:
        the target, with config.json and pytorch_model.bin.
    Raises:
        FileNotFoundError: `source` holds no model.
        FileExistsError: the target holds something.
        ValueError: mamba_ssm has no such model.
    """
    from transformers import AutoModelForCausalLM

    source, target = Path(source), Path(target)
    if target.exists() and any(target.iterdir()):
        raise FileExistsError(f"{target} is not empty; name a new folder")
    _check_source(source)
    model = AutoModelForCausalLM.from_pretrained(source, dtype="auto")
    config = original_config(model.config)
    weights = {name.replace("backbone.embeddings.", "backbone.embedding."): p for name, p in model.state_dict().items()}
    with replacing_folder(target) as draft:
        (draft / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        torch.save(weights, draft / "pytorch_model.bin")
    return target


def original_config(config: PretrainedConfig) -> dict[str, Any]:
    """What mamba_ssm's config.json says of a model of transformers.

    Raises:
        ValueError: mamba_ssm has no such model; says what it has instead.
    """
    _check(config)
    layer = LAYERS[config.model_type]
    others = ONLY_MAMBA1 if layer == "Mamba2" else ONLY_MAMBA2
    names = {ours: theirs for theirs, ours in SSM.items() if ours not in (*others, "time_step_limit")}
    ssm = {"layer": layer, **{theirs: getattr(config, ours) for ours, theirs in names.items()}}
    limit = tuple(getattr(config, "time_step_limit", None) or (0.0, math.inf))
    if layer == "Mamba2" and limit != (0.0, math.inf):
        ssm["dt_limit"] = list(limit)
    return {
        "d_model": config.hidden_size,
        "n_layer": config.num_hidden_layers,
        "vocab_size": config.vocab_size,
        "ssm_cfg": ssm,
        "rms_norm": True,
        "residual_in_fp32": config.residual_in_fp32,
        "fused_add_norm": True,
        # the rows are those of the embedding, padded or not
        "pad_vocab_size_multiple": 1,
        "tie_embeddings": config.tie_word_embeddings,
    }


def _check(config: PretrainedConfig) -> None:
    if config.model_type not in LAYERS:
        raise ValueError(f"mamba_ssm has no model of type {config.model_type}; it has {' and '.join(LAYERS)}")
    inner = config.expand * config.hidden_size
    wanted = {
        "hidden_act": (config.hidden_act, ("silu", "swish")),
        "layer_norm_epsilon": (config.layer_norm_epsilon, (1e-5,)),
        "quantization_config": (getattr(config, "quantization_config", None), (None,)),
        "d_inner": (config.intermediate_size if config.model_type == "mamba" else _heads(config), (inner,)),
    }
    for name, (found, allowed) in wanted.items():
        if found not in allowed:
            raise ValueError(f"{name} is {found!r}, and mamba_ssm's models have {allowed[0]!r} only")


def _heads(config: PretrainedConfig) -> int:
    return config.num_heads * config.head_dim


def _check_source(source: Path) -> None:
    if (source / "adapter_config.json").is_file():
        raise ValueError(
            f"{source} holds an adapter; load it into its model, ssmpeft_lib.merge that, save_pretrained it, and "
            "convert the folder"
        )
    if not (source / "config.json").is_file():
        raise FileNotFoundError(f"{source} has no config.json; name a folder that transformers saved a model in")
    if "model_type" not in read_json(source / "config.json"):
        raise ValueError(f"{source}/config.json is no model of transformers; of mamba_ssm's format it needs no --back")
