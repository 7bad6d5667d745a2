"""Named models: the paper's checkpoints and their small stand-ins, one file a family.

A family's file has

- `MODELS`: for each name a literal dict with the fields of `ModelFacts` (ssmpeft_lib/plan/facts.py), which planning
  reads without running the file;
- `build(**sizes)`: a model with random weights;
- `load(name, folder)` and `save(network, folder)`: only where transformers does not know the model;
- `draw(name, seed)`: only where a model says `drawn`, that is, has random weights which the seed of a cell decides. It
  returns the model and what it is to act as.

Start from mamba.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..plan import manifest, paths, registry

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model.

    Attributes:
        network: the model, in float32 unless its file says otherwise.
        tokenizer: path of its tokenizer.json.
        eos: the token that ends an answer.
        digest: of the contents of its files and of its tokenizer, or of what it is drawn by.
        target: what it is to act as, where it is drawn with one.
    """

    network: nn.Module
    tokenizer: Path
    eos: int
    digest: str
    target: nn.Module | None = None


def load_checkpoint(model: str, dataset: str, scale: str, results: Path, seed: int = 0) -> LoadedModel:
    """Load what the pipeline prepared for a model on a data set, or draw what a seed decides.

    Raises:
        NotPrepared: it was not prepared yet, or is damaged.
    """
    if paths.is_drawn(model):
        network, target = registry.load("models", model).draw(model, seed)
        drawn_by = manifest.digest([asdict(registry.model_facts(model)), seed])
        return LoadedModel(network, Path(), eos=0, digest=drawn_by, target=target)
    name = paths.checkpoint_of(scale, model, dataset)
    about = Path(results) / paths.checkpoint_folder(scale, name) / "model.json"
    facts = manifest.read(about)
    tokenizer, made_from = paths.tokenizer_of(scale, model), [facts]
    if tokenizer != paths.NO_TOKENIZER:
        made_from.append(manifest.read(Path(results) / paths.tokenizer_manifest(scale, tokenizer)))
    network = load_network(model, about.parent / facts.get("path", "."), scale)
    path = Path(results) / paths.tokenizer_file(scale, tokenizer)
    return LoadedModel(network, path, facts["eos"], manifest.digest([*map(manifest.contents, made_from)]))


def load_network(model: str, folder: Path, scale: str) -> nn.Module:
    """Weights in transformers' format, from safetensors only and without remote code; or by the model's own `load`.

    Stand-ins stay on the CPU, where they are fastest. At scale paper the model is on the GPU if there is one, and what
    its facts do not keep is quantised there (the paper has all but the Mamba layers of Jamba-Mini in 4 bits). The
    experts of transformers' Jamba are one tensor for all of them, which bitsandbytes leaves in 16 bits: Jamba-Mini then
    takes more memory than the paper says (Table 25).

    Raises:
        RuntimeError: it is to be quantised, and there is no GPU.
    """
    module = registry.load("models", model)
    bits = registry.model_facts(model).bits if scale == "paper" else None
    device = torch.device("cuda" if scale == "paper" and torch.cuda.is_available() else "cpu")
    if bits and device.type == "cpu":
        raise RuntimeError(
            f"{model} is loaded in {bits['load']} bits, which needs a GPU with bitsandbytes; none is here"
        )
    if hasattr(module, "load"):
        return module.load(model, folder).to(device)
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    # an executed notebook would keep it
    logging.disable_progress_bar()
    options = {"quantization_config": quantization(bits), "device_map": {"": 0}} if bits else {}
    network = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **options)
    return network if bits else network.to(device)


def quantization(bits: Mapping[str, Any]) -> BitsAndBytesConfig:
    """NF4 with bfloat16 arithmetic (Dettmers et al., 2023) for all linear modules but those named under `keep`."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=bits["load"] == 4,
        load_in_8bit=bits["load"] == 8,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        # patterns, which are matched from the beginning of a module's path
        llm_int8_skip_modules=[rf"(?:.*\.)?{name}(?:\.|$)" for name in bits["keep"]],
    )
