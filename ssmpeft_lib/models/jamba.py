"""Jamba (Lieber et al., 2024): Mamba-1, attention and experts in one model; the paper's sizes and a small stand-in.

The configuration of jamba-tiny-319m is inferred: it reproduces every share that Tables 12 and 20 print for it.
"""

MODELS = {
    "jamba-tiny-319m": {
        "tokenizer": "ai21labs/Jamba-tiny-dev",
        "hub": "ai21labs/Jamba-tiny-dev",
        "config": {
            "hidden_size": 512,
            "intermediate_size": 2048,
            "num_hidden_layers": 16,
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "num_experts": 8,
        },
        "real": {
            "turn": 3,
            "sizes": {
                "hidden_size": 256,
                "intermediate_size": 160,
                "num_hidden_layers": 6,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "attn_layer_period": 6,
                "attn_layer_offset": 3,
                "num_experts": 4,
                "tie_word_embeddings": True,
            },
            "recipe": {"tokens": 80_000_000},
        },
        "pretraining_steps": 1000,
        "stand_in": {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 2,
        },
    },
    "jamba-mini-52b": {
        "tokenizer": "ai21labs/Jamba-tiny-dev",
        "hub": "ai21labs/AI21-Jamba-Mini-1.5",
        # the paper keeps the Mamba layers as they are and has the rest in 4 bits
        "bits": {"load": 4, "keep": ["mamba", "lm_head"]},
        "config": {},
        "pretraining_steps": 1000,
        "stand_in": {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "attn_layer_period": 3,
            "attn_layer_offset": 1,
            "num_experts": 2,
        },
    },
}


def build(**sizes):
    """A model with random weights, of transformers' JambaForCausalLM."""
    from transformers import JambaConfig, JambaForCausalLM

    return JambaForCausalLM(JambaConfig(**sizes))
