"""Packed rows against padded batches: `python benchmarks/packing.py --output recorded/packing.json`.

Documents of a log-normal spread of lengths, as instruction data have them, once padded to the longest of each batch and
once one behind the other in a row. Both take the same steps forward and backward on a Mamba with random weights, LoRA
on its projections; what is compared is the time for a token of a document, in turns in one process.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from paired import Line, Variant, summary, times
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from ssmpeft_lib.adapters.api import adapt
from ssmpeft_lib.plan.results import write_json
from ssmpeft_lib.training.provenance import environment

DOCUMENTS, MEDIAN, SPREAD, LONGEST = 16, 64, 0.8, 512
MODELS = {
    "Mamba": {"hidden_size": 256, "num_hidden_layers": 4, "vocab_size": 512},
    "Mamba2": {
        **{"hidden_size": 256, "num_hidden_layers": 4, "vocab_size": 512},
        **{"num_heads": 16, "head_dim": 32, "state_size": 64, "n_groups": 1},
    },
}


def documents() -> list[torch.Tensor]:
    """Token ids of each document."""
    generator = torch.Generator().manual_seed(0)
    lengths = (MEDIAN * torch.exp(SPREAD * torch.randn(DOCUMENTS, generator=generator))).long().clamp(2, LONGEST)
    return [torch.randint(512, (int(length),), generator=generator) for length in lengths]


def network(family: str) -> nn.Module:
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**MODELS[family])
    return adapt(getattr(transformers, f"{family}ForCausalLM")(config), "lora@linear,rank=8").train()


def padded() -> dict[str, torch.Tensor]:
    """A batch of a row for each document."""
    ids = pad_sequence(documents(), batch_first=True)
    mask = pad_sequence([torch.ones_like(document) for document in documents()], batch_first=True)
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}


def packed() -> dict[str, torch.Tensor]:
    """A batch of one row that holds all documents."""
    number = torch.cat([torch.full_like(document, i) for i, document in enumerate(documents())])[None]
    ids = torch.cat(documents())[None]
    first = torch.cat([torch.arange(len(document)) == 0 for document in documents()])[None]
    return {"input_ids": ids, "seq_idx": number.int(), "labels": ids.masked_fill(first, -100)}


def step(model: nn.Module, batch: dict[str, torch.Tensor]):
    """A call that goes forward and backward once."""

    def run():
        model(**batch, use_cache=False).loss.backward()
        model.zero_grad(set_to_none=True)

    return run


def line(family: str) -> Line:
    """Time for each token of a document, padded over packed."""
    tokens = sum(map(len, documents()))

    def variants():
        model = network(family)
        return tuple(Variant(name, step(model, make()), tokens) for name, make in BATCHES.items())

    return Line(f"{family}: padded against packed", variants)


BATCHES = {"padded": padded, "packed": packed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/packing.json"))
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    lengths, found = [len(document) for document in documents()], {}
    for family in MODELS:
        found[family] = summary(line(family), times(line(family), arguments.rounds))
        print(f"{family}: padded over packed {found[family]['ratio']['median']:.2f}", flush=True)
    # the share of a padded batch that is documents
    share = sum(lengths) / (max(lengths) * len(lengths))
    write_json(arguments.output, {"made_by": environment(), "lengths": lengths, "share": share, "families": found})


if __name__ == "__main__":
    main()
