"""Mamba-2 (Dao and Gu, 2024): the sizes of the paper, from the hub, and their small stand-ins."""

MODELS = {
    "mamba2-130m": {
        "tokenizer": "EleutherAI/gpt-neox-20b",
        "hub": "state-spaces/mamba2-130m",
        "config": {"hidden_size": 768, "num_hidden_layers": 24, "num_heads": 24},
        "stand_in": {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_heads": 8,
            "head_dim": 16,
            "state_size": 16,
            "chunk_size": 16,
        },
        "pretraining_steps": 1500,
        "real": {
            "turn": 2,
            "sizes": {
                "hidden_size": 256,
                "num_hidden_layers": 8,
                "num_heads": 8,
                "head_dim": 64,
                "state_size": 64,
                "chunk_size": 64,
                "initializer_range": 0.02,
                "rescale_prenorm_residual": True,
            },
            "recipe": {"tokens": 80_000_000},
        },
    },
    "mamba2-1.3b": {
        "tokenizer": "EleutherAI/gpt-neox-20b",
        "hub": "state-spaces/mamba2-1.3b",
        "config": {"hidden_size": 2048, "num_hidden_layers": 48, "num_heads": 64},
        "stand_in": {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_heads": 8,
            "head_dim": 16,
            "state_size": 16,
            "chunk_size": 16,
        },
        "pretraining_steps": 1000,
    },
}


def build(**sizes):
    """A model with random weights, of transformers' Mamba2ForCausalLM, as state-spaces trained it."""
    from transformers import Mamba2Config, Mamba2ForCausalLM

    usual = {"vocab_size": 50288, "n_groups": 1, "state_size": 128, "tie_word_embeddings": True}
    special = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
    return Mamba2ForCausalLM(Mamba2Config(**(usual | special | sizes)))
