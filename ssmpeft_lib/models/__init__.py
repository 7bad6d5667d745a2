"""Named models: the paper's checkpoints and their small stand-ins."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ..plan import paths, registry


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model.

    Attributes:
        network: the model, in float32 unless its file says otherwise.
        tokenizer: path of its tokenizer.json.
        eos: the token that ends an answer.
    """

    network: nn.Module
    tokenizer: Path
    eos: int


def load_checkpoint(model: str, dataset: str, scale: str, results: Path) -> Checkpoint:
    """Load what the pipeline prepared for a model on a data set.

    Raises:
        FileNotFoundError: it was not prepared yet.
    """
    name = paths.checkpoint_of(scale, model, dataset)
    about = Path(results) / paths.checkpoint_folder(scale, name) / "model.json"
    if not about.exists():
        raise FileNotFoundError(
            f"{about} is missing; make it with: snakemake --cores all results/{scale}/models/{name}/model.json"
        )
    facts = json.loads(about.read_text(encoding="utf-8"))
    network = load_network(model, about.parent / facts.get("path", "."))
    tokenizer = Path(results) / paths.tokenizer_file(scale, paths.tokenizer_of(scale, model))
    return Checkpoint(network, tokenizer, facts["eos"])


def load_network(model: str, folder: Path) -> nn.Module:
    """Weights in transformers' format, from safetensors only and without remote code; or by the model's own `load`."""
    module = registry.load("models", model)
    if hasattr(module, "load"):
        return module.load(model, folder)
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
