"""Tiny models with random weights of every family, and the contracts that all of them are put through."""

from __future__ import annotations

import copy
from functools import cache

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
        **{"num_local_experts": 2, "num_experts_per_tok": 1, "intermediate_size": 16, "shared_intermediate_size": 16},
        **(SSD | ATTENTION),
    },
    "NemotronH": {
        **{"hidden_size": 32, "num_hidden_layers": 3, "hybrid_override_pattern": "M*-", "head_dim": 8},
        **{"mamba_num_heads": 8, "mamba_head_dim": 8, "n_groups": 2, "ssm_state_size": 8, "chunk_size": 4},
        **(ATTENTION | MLP),
    },
}
"""Sizes by the prefix of transformers' classes."""

FAMILIES = tuple(SIZES)
MAIN = ("Mamba", "FalconMamba", "Mamba2", "Jamba")
"""Those that are tested with every method in every way; the others have the same mixers in another model."""


def build(family: str, **sizes) -> nn.Module:
    """A model in evaluation mode, the same at every call."""
    return copy.deepcopy(_built(family, **sizes))


@cache
def _built(family: str, **sizes) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = getattr(transformers, f"{family}Config")(**(TOKENS | SIZES[family] | sizes))
        model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
        shake(model, 0.05)
    return model


def shake(model: nn.Module, by: float, seed: int = 1) -> nn.Module:
    """Move every floating-point parameter that is trainable, so that zeros and ones hide nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += by * torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
    return model


def ids(batch: int = 2, seq_len: int = 9) -> torch.Tensor:
    """Token ids without special tokens."""
    return torch.randint(2, 64, (batch, seq_len), generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def logits(model: nn.Module, tokens: torch.Tensor, **kwargs) -> torch.Tensor:
    return model(tokens, **kwargs).logits
