"""Mamba-1 (Gu and Dao, 2023): the sizes of the paper, from the hub, and their small stand-ins."""

MODELS = {
    "mamba-130m": {
        "tokenizer": "EleutherAI/gpt-neox-20b",
        "hub": "state-spaces/mamba-130m-hf",
        "config": {"hidden_size": 768, "num_hidden_layers": 24, "vocab_size": 50280},
        "stand_in": {"hidden_size": 64, "num_hidden_layers": 2},
        "pretraining_steps": 3000,
        "real": {
            "turn": 1,
            "sizes": {
                "hidden_size": 256,
                "num_hidden_layers": 8,
                "initializer_range": 0.02,
                "rescale_prenorm_residual": True,
            },
            "recipe": {"tokens": 80_000_000},
        },
    },
    "mamba-1.4b": {
        "tokenizer": "EleutherAI/gpt-neox-20b",
        "hub": "state-spaces/mamba-1.4b-hf",
        "config": {"hidden_size": 2048, "num_hidden_layers": 48, "vocab_size": 50280},
        "stand_in": {"hidden_size": 64, "num_hidden_layers": 2},
        "pretraining_steps": 1000,
        "real": {
            "turn": 4,
            "sizes": {
                "hidden_size": 384,
                "num_hidden_layers": 8,
                "initializer_range": 0.02,
                "rescale_prenorm_residual": True,
            },
            "recipe": {"tokens": 80_000_000, "learning_rate": 2e-3},
        },
    },
    "mamba-2.8b": {
        "tokenizer": "EleutherAI/gpt-neox-20b",
        "hub": "state-spaces/mamba-2.8b-hf",
        "config": {"hidden_size": 2560, "num_hidden_layers": 64, "vocab_size": 50280},
        "stand_in": {"hidden_size": 80, "num_hidden_layers": 2},
        "pretraining_steps": 1000,
    },
}


def build(**sizes):
    """A model with random weights, of transformers' MambaForCausalLM."""
    from transformers import MambaConfig, MambaForCausalLM

    return MambaForCausalLM(MambaConfig(**sizes))
