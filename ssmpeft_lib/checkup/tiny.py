"""The smallest models of every family that still have all of its parts, with random weights.

Tests, the doctor and the matrix of families and methods run on them.
"""

from __future__ import annotations

import torch
import transformers
from torch import nn

TOKENS = {"vocab_size": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
SSD = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 2, "mamba_d_state": 8, "mamba_chunk_size": 4}
ATTENTION = {"num_attention_heads": 4, "num_key_value_heads": 2}
MLP = {"intermediate_size": 48}

SIZES = {
    "Mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
    "FalconMamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
    "Mamba2": {
        **{"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "num_heads": 8, "head_dim": 8},
        **{"n_groups": 2, "chunk_size": 4, "tie_word_embeddings": True},
    },
    "Jamba": {
        **{"hidden_size": 32, "num_hidden_layers": 3, "attn_layer_period": 3, "attn_layer_offset": 1},
        **{"num_experts": 2, "num_experts_per_tok": 1, "mamba_d_state": 8, "mamba_dt_rank": 4},
        **(ATTENTION | MLP),
    },
    "Bamba": {"hidden_size": 32, "num_hidden_layers": 2, "attn_layer_indices": [1], **(SSD | ATTENTION | MLP)},
    "Zamba2": {
        **{"hidden_size": 32, "num_hidden_layers": 2, "layers_block_type": ["mamba", "hybrid"]},
        **{"hybrid_layer_ids": [1], "num_attention_heads": 4, "num_key_value_heads": 4, "attention_head_dim": 16},
        **{"n_mamba_heads": 8, "mamba_headdim": 8, "mamba_ngroups": 2, "mamba_d_state": 8, "chunk_size": 4},
        **{"num_mem_blocks": 1, "adapter_rank": 4, **MLP},
    },
    "FalconH1": {
        **{"hidden_size": 32, "num_hidden_layers": 2, "head_dim": 8, "mamba_d_ssm": 64, "mamba_rms_norm": False},
        **{"ssm_in_multiplier": 0.7, "ssm_multipliers": [1.1, 0.9, 0.8, 1.2, 1.3]},
        **(SSD | ATTENTION | MLP),
    },
    "GraniteMoeHybrid": {
        **{"hidden_size": 32, "num_hidden_layers": 2, "layer_types": ["mamba", "attention"]},
        **{"num_local_experts": 2, "num_experts_per_tok": 2, "intermediate_size": 16, "shared_intermediate_size": 16},
        **(SSD | ATTENTION),
    },
    "NemotronH": {
        **{"hidden_size": 32, "num_hidden_layers": 3, "hybrid_override_pattern": "M*-", "head_dim": 8},
        **{"mamba_num_heads": 8, "mamba_head_dim": 8, "n_groups": 2, "ssm_state_size": 8, "chunk_size": 4},
        **(ATTENTION | MLP),
    },
}
"""Sizes by the prefix of transformers' classes."""

ABOUT = ("dtype", "torch_dtype", "transformers_version", "model_type", "hybrid_override_pattern")
"""Fields of a configuration that say where it is from, or that follow from its sizes."""


def tiny(family: str, **sizes) -> nn.Module:
    """A model of a family in evaluation mode, the same at every call.

    Args:
        family: a key of `SIZES`.
        sizes: fields of its configuration that differ.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = getattr(transformers, f"{family}Config")(**(TOKENS | SIZES[family] | sizes))
        return getattr(transformers, f"{family}ForCausalLM")(config).eval()


def tiny_like(config: transformers.PretrainedConfig) -> nn.Module:
    """A small model of the kind that a configuration describes: its switches, its activations, its scales.

    Raises:
        LookupError: no family of `SIZES` has such a configuration.
    """
    family = type(config).__name__.removesuffix("Config")
    if family not in SIZES:
        raise LookupError(
            f"{config.model_type} is no family that adapters act in; `python -m ssmpeft_lib families` lists those"
        )
    usual = type(config)().to_dict()
    switches = {
        name: value
        for name, value in config.to_dict().items()
        if isinstance(value, bool | str | float) and name in usual and name not in ABOUT and name[0] != "_"
    }
    return tiny(family, **switches)
