"""Lines of the kernels' table about decoding: Mamba-130M with random weights, float32, one thread."""

from __future__ import annotations

import copy
from functools import cache

import torch
from paired import Line, Variant
from torch import nn
from torch.nn import functional as F

from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.generation import generate
from ssmpeft_lib.ops import linear

PROMPT, NEW_TOKENS, BEAM_TOKENS = 16, 24, 12


@cache
def models() -> tuple[nn.Module, nn.Module]:
    """transformers' model, and the same weights with our mixers."""
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(0)
    theirs = MambaForCausalLM(MambaConfig(hidden_size=768, num_hidden_layers=24, vocab_size=50280)).eval()
    shared = {id(tensor): tensor for tensor in (*theirs.parameters(), *theirs.buffers())}
    ours = copy.deepcopy(theirs, memo=shared)
    Backbone(ours).prepare()
    return theirs, ours


def prompts(batch: int) -> list[list[int]]:
    torch.manual_seed(1)
    return torch.randint(50280, (batch, PROMPT)).tolist()


def theirs(batch: int, new_tokens: int, beams: int):
    model, _ = models()
    ids = torch.tensor(prompts(batch))
    # no token ends an answer, so that both sides do the same work
    options = {"max_new_tokens": new_tokens, "num_beams": beams, "do_sample": False, "pad_token_id": 0}

    @torch.no_grad()
    def run():
        return model.generate(ids, attention_mask=torch.ones_like(ids), eos_token_id=None, **options)[
            :, PROMPT:
        ].tolist()

    return run


def ours(batch: int, new_tokens: int, beams: int):
    _, model = models()
    return lambda: generate(model, prompts(batch), new_tokens, eos=-1, beams=beams)


def against_transformers(batch: int, new_tokens: int, beams: int):
    def variants():
        runs = {"transformers": theirs(batch, new_tokens, beams), "ours": ours(batch, new_tokens, beams)}
        # random weights leave near ties, which rounding may decide either way; but the work must be the same
        lengths = [[len(answer) for answer in run()] for run in runs.values()]
        if lengths[0] != lengths[1]:
            raise RuntimeError(f"the two decoders wrote answers of lengths {lengths}; their times cannot be compared")
        return tuple(Variant(name, run, new_tokens * batch) for name, run in runs.items())

    return variants


def against_linear_layers(batch: int, new_tokens: int, beams: int, product=F.linear):
    """Against the matrix products that the same tokens need: one pass over the weights for each new token."""

    def variants():
        _, model = models()
        weights = [module.weight for module in model.modules() if isinstance(module, nn.Linear)]
        inputs = {weight.shape[1]: torch.randn(batch * beams, weight.shape[1]) for weight in weights}

        @torch.no_grad()
        def run():
            for _ in range(new_tokens):
                for weight in weights:
                    product(inputs[weight.shape[1]], weight)

        units = new_tokens * batch
        return Variant("ours", ours(batch, new_tokens, beams), units), Variant("linear layers", run, units)

    return variants


LINES = {
    "greedy-transformers": Line(
        "greedy decoding, a token, against transformers", against_transformers(1, NEW_TOKENS, 1), ">= 1.4"
    ),
    "greedy-floor": Line(
        "greedy decoding, a token, against torch's products of its linear layers",
        against_linear_layers(1, NEW_TOKENS, 1),
        "<= 1.4",
    ),
    "greedy-floor-ours": Line(
        "greedy decoding, a token, against our products of its linear layers",
        against_linear_layers(1, NEW_TOKENS, 1, linear),
    ),
    "beam-transformers": Line(
        "beam 5, batch 8, a token, against transformers", against_transformers(8, BEAM_TOKENS, 5), ">= 2", rounds=3
    ),
    "beam-floor": Line(
        "beam 5, batch 8, a token, against torch's products of its linear layers",
        against_linear_layers(8, BEAM_TOKENS, 5),
        rounds=3,
    ),
    "beam-1-transformers": Line(
        "beam 5, batch 1, a token, against transformers", against_transformers(1, BEAM_TOKENS, 5), rounds=3
    ),
}
