"""What batching gains on a CUDA device: `python benchmarks/gpu_batching.py` writes a JSON file.

Random weights and tokens. Decoding with beam 5 one prompt at a time, as the authors' code does, against many at once
and beside transformers; sixteen learning rates as adapters over one frozen model, at the paper's batch of 4, against
one.
Ten minutes are enough.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from device import CUDA, DEVICE, Clock, about, alternated, network, ratio
from gpu_tables import DATASET, opened

from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.data import _encode as encode
from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.generation import generate
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.results import write_json
from ssmpeft_lib.runs.many_rates import train_side_by_side

MODELS = ("mamba-130m", "mamba-1.4b") if CUDA else ("mamba-130m",)
BEAMS = 5
PROMPT, NEW_TOKENS, PROMPTS = (256, 64, 64) if CUDA else (4, 2, 3)
RATES = [1e-3 / 2**k for k in range(16 if CUDA else 3)]
STEPS = 20 if CUDA else 2
METHODS = ("lora@out_proj+x_proj+dt_proj,rank=2,alpha=2", "sdlora")
GOALS = {"decoding": ">= 20", "rates": "<= 4"}


def decoding(model: str, rounds: int, clock: Clock) -> dict:
    """Milliseconds of decoding one prompt and many, and of transformers' one; gains are of time for each prompt."""
    built = network(model).to(torch.bfloat16 if CUDA else torch.float32).eval()
    prompts = torch.randint(built.config.vocab_size, (PROMPTS, PROMPT), device=DEVICE)
    options = {"max_new_tokens": NEW_TOKENS, "num_beams": BEAMS, "do_sample": False, "pad_token_id": 0}

    @torch.no_grad()
    def stock():
        # no token ends an answer, so that all do the same work
        built.generate(prompts[:1], attention_mask=torch.ones_like(prompts[:1]), eos_token_id=None, **options)

    found = alternated({"transformers, one": stock}, rounds, clock)
    Backbone(built).prepare()

    def ours(count: int):
        return lambda: generate(built, prompts[:count].tolist(), NEW_TOKENS, eos=-1, beams=BEAMS)

    found |= alternated({"ours, one": ours(1), "ours, many": ours(PROMPTS)}, rounds, clock)
    times = {name: ratio(found, name, "ours, many") for name in ("ours, one", "transformers, one")}
    gains = {name: time and time * PROMPTS for name, time in times.items()}
    return {"prompts": PROMPTS, "prompt": PROMPT, "new_tokens": NEW_TOKENS, "variants": found, "gains": gains}


def rates(model: str, method: str, rounds: int, clock: Clock) -> dict:
    """Milliseconds of the steps of one rate and of all, the warm-up that chooses dimensions included."""
    with tempfile.TemporaryDirectory() as scratch:
        prepared = encode.prepare(DATASET, sources.find(DATASET, "paper"), None, Path(scratch, "encoded"))
        run = opened(Cell("paper", model, method, DATASET, 0), prepared, STEPS)

        def steps(count: int):
            return lambda: train_side_by_side(run, RATES[:count], [None] * count)

        found = alternated({"one": steps(1), "all": steps(len(RATES))}, rounds, clock)
    return {"method": method, "rates": len(RATES), "variants": found, "ratio": ratio(found, "all", "one")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8, help="stop starting measurements after this time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/gpu_batching.json"))
    options = parser.parse_args()
    clock = Clock(options.minutes * 60)
    result = {"made_by": about(), "goals": GOALS, "decoding": {}, "rates": {}}
    for model in MODELS:
        result["decoding"][model] = decoding(model, options.rounds, clock)
        result["rates"][model] = [rates(model, method, options.rounds, clock) for method in METHODS]
        write_json(options.output, result)


if __name__ == "__main__":
    main()
