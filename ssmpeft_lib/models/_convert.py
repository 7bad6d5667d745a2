"""Checkpoints of state-spaces/mamba and mamba2 in their original format, as transformers models.

Original: config.json as mamba_ssm writes it, and pytorch_model.bin or model.safetensors. Pickles are read by torch's
restricted loader, which runs no code; what is written is safetensors.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..plan.atomic import replacing_folder
from ..plan.reading import read_json

FILES = ("model.safetensors", "pytorch_model.bin")

KNOWN = {
    *("d_model", "n_layer", "vocab_size", "ssm_cfg", "rms_norm", "residual_in_fp32", "fused_add_norm"),
    *("pad_vocab_size_multiple", "tie_embeddings", "d_intermediate", "attn_layer_idx", "attn_cfg"),
}
"""Keys of mamba_ssm's MambaConfig."""

SSM = {
    "d_state": "state_size",
    "d_conv": "conv_kernel",
    "expand": "expand",
    "bias": "use_bias",
    "conv_bias": "use_conv_bias",
    "dt_rank": "time_step_rank",
    "headdim": "head_dim",
    "ngroups": "n_groups",
    "chunk_size": "chunk_size",
    "dt_limit": "time_step_limit",
}
"""Keys of ssm_cfg, and what transformers calls them."""

# what mamba_ssm draws weights with, or runs as; it has no meaning for a trained checkpoint
IGNORED = {"layer", "dt_min", "dt_max", "dt_init", "dt_scale", "dt_init_floor", "use_fast_path", "use_mem_eff_path"}


def convert(source: str | Path, target: str | Path) -> Path:
    """Convert a checkpoint folder.

    Args:
        source: folder with config.json and the weights, as downloaded from state-spaces/mamba-130m and its like.
        target: folder to write; must not exist, or be empty.
    Returns:
        the target, with config.json and model.safetensors.
    Raises:
        FileNotFoundError: a file is missing.
        FileExistsError: the target holds something.
        ValueError: a file cannot be read, or holds what transformers' Mamba cannot represent.
    """
    source, target = Path(source), Path(target)
    if target.exists() and any(target.iterdir()):
        raise FileExistsError(f"{target} is not empty; name a new folder")
    config = transformers_config(_read_config(source))
    weights = {_renamed(name): tensor for name, tensor in _read_weights(source).items()}
    model = _filled(config, weights, source)
    with replacing_folder(target) as draft:
        model.save_pretrained(draft)
    return target


def transformers_config(original: dict[str, Any]):
    """The configuration of transformers that an original config.json describes.

    Raises:
        ValueError: it describes what transformers' Mamba or Mamba-2 has no option for.
    """
    from transformers import Mamba2Config, MambaConfig

    ssm = original.get("ssm_cfg") or {}
    layer = ssm.get("layer", "Mamba1")
    if layer not in ("Mamba1", "Mamba2"):
        raise ValueError(f"config.json: ssm_cfg.layer is {layer!r}, allowed are Mamba1 and Mamba2")
    _refuse(original, ssm)
    d_model, multiple = original["d_model"], original.get("pad_vocab_size_multiple", 8)
    options = {
        "hidden_size": d_model,
        "num_hidden_layers": original["n_layer"],
        # the embedding is padded to a multiple
        "vocab_size": math.ceil(original["vocab_size"] / multiple) * multiple,
        "residual_in_fp32": original.get("residual_in_fp32", True),
        "tie_word_embeddings": original.get("tie_embeddings", True),
        "layer_norm_epsilon": 1e-5,
        **{"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0},
        **{SSM[key]: value for key, value in ssm.items() if key in SSM and value != "auto"},
    }
    if layer == "Mamba1":
        return MambaConfig(**options)
    usual = {"state_size": 128, "head_dim": 64, "n_groups": 1, "chunk_size": 256, "expand": 2}
    options = usual | options
    options["num_heads"] = options["expand"] * d_model // options["head_dim"]
    options["time_step_limit"] = tuple(options.get("time_step_limit", (0.0, float("inf"))))
    return Mamba2Config(**options)


def _refuse(original: dict[str, Any], ssm: dict[str, Any]) -> None:
    """Raise a ValueError for whatever transformers' models do not have."""
    unknown = sorted(original.keys() - KNOWN) + [f"ssm_cfg.{key}" for key in sorted(ssm.keys() - SSM.keys() - IGNORED)]
    unknown = [key for key in unknown if key not in ("ssm_cfg.d_ssm", "ssm_cfg.rmsnorm", "ssm_cfg.norm_before_gate")]
    if unknown:
        raise ValueError(f"config.json: no meaning is known for {', '.join(unknown)}")
    wanted = {
        "rms_norm": (original.get("rms_norm", True), True),
        "d_intermediate": (original.get("d_intermediate", 0), 0),
        "attn_layer_idx": (original.get("attn_layer_idx") or [], []),
        "ssm_cfg.d_ssm": (ssm.get("d_ssm"), None),
        "ssm_cfg.rmsnorm": (ssm.get("rmsnorm", True), True),
        "ssm_cfg.norm_before_gate": (ssm.get("norm_before_gate", False), False),
    }
    for key, (found, allowed) in wanted.items():
        if found != allowed:
            raise ValueError(f"config.json: {key} is {found!r}, transformers' Mamba has {allowed!r} only")


def _read_config(source: Path) -> dict[str, Any]:
    if not source.is_dir():
        raise FileNotFoundError(
            f"{source} is not a folder; download the checkpoint first (hf download NAME --local-dir DIR)"
        )
    path = source / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    config = read_json(path)
    if not isinstance(config, dict):
        raise ValueError(f"{path} holds a {type(config).__name__}, needs an object")
    missing = [key for key in ("d_model", "n_layer", "vocab_size") if not isinstance(config.get(key), int)]
    if missing:
        hint = "; it is a transformers model already" if "model_type" in config else ""
        raise ValueError(f"{path} lacks {', '.join(missing)} of the original format{hint}")
    return config


def _read_weights(source: Path) -> dict[str, Tensor]:
    path = next((source / name for name in FILES if (source / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{source} has no weights; looked for {' and '.join(FILES)}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(f"{path} holds more than tensors; pickles that run code are not read") from None
    except (SafetensorError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}); download it again") from None
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise ValueError(f"{path} is not a state dict of tensors")
    return weights


def _renamed(name: str) -> str:
    return name.replace("backbone.embedding.", "backbone.embeddings.")


def _filled(config, weights: dict[str, Tensor], source: Path):
    from transformers import Mamba2ForCausalLM, MambaForCausalLM

    with torch.device("meta"):
        model = (MambaForCausalLM if config.model_type == "mamba" else Mamba2ForCausalLM)(config)
    expected = model.state_dict()
    if config.tie_word_embeddings:
        weights.setdefault("lm_head.weight", weights.get("backbone.embeddings.weight"))
    problems = [f"{name} is missing" for name in expected if weights.get(name) is None]
    problems += [f"{name} belongs nowhere" for name in weights if name not in expected]
    problems += [
        f"{name} has the shape {list(weights[name].shape)}, config.json makes it {list(tensor.shape)}"
        for name, tensor in expected.items()
        if weights.get(name) is not None and weights[name].shape != tensor.shape
    ]
    if problems:
        raise ValueError(f"{source}: {problems[0]}" + (f", and {len(problems) - 1} more" if problems[1:] else ""))
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    return model
