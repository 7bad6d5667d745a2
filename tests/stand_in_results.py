"""What cells need, made small: for tests that train."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Path:
    """A results directory with a tokenizer, random tiny stand-ins and two encoded miniatures."""
    import torch
    from transformers import Mamba2Config, Mamba2ForCausalLM, MambaConfig, MambaForCausalLM

    from ssmpeft_lib.__main__ import main
    from ssmpeft_lib.plan import manifest

    root = tmp_path_factory.mktemp("results")
    tokenizer = root / "quick/tokenizers/stand-in/tokenizer.json"
    assert main(["prepare-tokenizer", "quick", "stand-in", "--output", str(tokenizer)]) == 0
    for dataset in ("glue-sst2", "dart"):
        output = root / f"quick/data/stand-in/{dataset}.json"
        assert main(["prepare-data", "quick", dataset, "--tokenizer", str(tokenizer), "--output", str(output)]) == 0
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 1024, "state_size": 8}
    of_heads = {"num_heads": 4, "head_dim": 16, "n_groups": 1, "chunk_size": 16}
    models = {
        "mamba-130m": MambaForCausalLM(MambaConfig(**sizes)),
        "mamba2-130m": Mamba2ForCausalLM(Mamba2Config(**sizes, **of_heads)),
    }
    for name, model in models.items():
        folder = root / "quick/models" / name
        model.save_pretrained(folder)
        manifest.write(folder / "model.json", {"eos": 0}, list(folder.iterdir()))
    return root
