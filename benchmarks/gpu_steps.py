"""Training steps on a CUDA device: `python benchmarks/gpu_steps.py --model mamba-130m` writes a JSON file.

Random weights and tokens, batch 4, bfloat16 weights, AdamW over what the method trains. `ours` is this library;
`stock` is transformers with peft, whose mixers call modules, as adapters act only then (peft refuses out_proj);
`stock fused` has the kernel for a whole mixer that mamba_ssm brings, with the adapter on in_proj, which it does not
skip. One model a job; each takes less than ten minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest import mock

import device
import torch
from device import CUDA, DEVICE, Clock, about, alternated, ratio
from torch import nn
from torch.nn import functional as F

from ssmpeft_lib.adapters.api import adapt
from ssmpeft_lib.adapters.select_by_warmup import begin_warmup, select
from ssmpeft_lib.checkup.stock import adapt_with_stock_peft
from ssmpeft_lib.ops import backends
from ssmpeft_lib.plan.results import write_json

BATCH = 4 if CUDA else 1
LENGTHS = (512, 1500, 4096) if CUDA else (8,)
METHODS = {
    "LoRA": "lora@out_proj+x_proj+dt_proj,rank=2,alpha=2",
    "SDLoRA": "sdlora",
    "LoRA in_proj": "lora@in_proj,rank=8",
    "LoRA x_proj": "lora@x_proj,rank=8",
    "full": "full",
}


def network(model: str) -> nn.Module:
    return device.network(model).to(torch.bfloat16 if CUDA else torch.float32)


def step(model: nn.Module, seq_len: int):
    """A call that runs one training step."""
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    ids = torch.randint(core.config.vocab_size, (BATCH, seq_len), device=DEVICE)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    model.train()

    def run():
        # the loss of the last token only, as training does: logits of all would cost more than the model
        hidden = getattr(core, core.base_model_prefix)(input_ids=ids, use_cache=False).last_hidden_state[:, -1:]
        loss = F.cross_entropy(core.get_output_embeddings()(hidden).float().flatten(0, 1), ids[:, 0])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


def ours(model: str, method: str) -> nn.Module:
    adapted = adapt(network(model), method)
    warmup = begin_warmup(adapted)
    if warmup is not None:
        # a step of noise in place of a warm-up: which channels are chosen does not change what they cost
        with torch.no_grad():
            for parameter in warmup.parameters:
                parameter.add_(1e-3 * torch.randn_like(parameter))
        select(adapted, warmup)
    return adapted


def stock(model: str, method: str) -> nn.Module:
    built = network(model)
    return built if method == "full" else adapt_with_stock_peft(built, method)


def through_modules(run):
    """transformers without the one kernel for a whole mixer, which would read the weights past their adapters."""
    import transformers.models.mamba.modeling_mamba as modeling

    def patched():
        with mock.patch.object(modeling, "mamba_inner_fn", lambda *_, **__: None):
            run()

    return patched


def variants(model: str, label: str, method: str, seq_len: int) -> dict:
    """A function for each variant that builds it and returns its step, so that only one model is there at a time."""
    found = {"ours": lambda: step(ours(model, method), seq_len)}
    if label != "SDLoRA":
        found["stock"] = lambda: through_modules(step(stock(model, method), seq_len))
    if label in ("LoRA in_proj", "full") and backends()["mamba_ssm"].available:
        found["stock fused"] = lambda: step(stock(model, method), seq_len)
    return found


def measured(model: str, rounds: int, clock: Clock) -> list[dict]:
    rows = []
    for seq_len in LENGTHS:
        for label, method in METHODS.items():
            if clock.left() < 0:
                rows.append({"method": label, "seq_len": seq_len, "skipped": "no time left"})
                continue
            results = {}
            for name, build in variants(model, label, method, seq_len).items():
                # memory is that of one variant alone, so they do not share the device
                try:
                    run = build()
                except Exception as error:
                    results[name] = {"ms": [], "failed": f"{type(error).__name__}: {str(error)[:200]}"}
                    continue
                results |= alternated({name: run}, rounds, clock)
                del run
                if CUDA:
                    torch.cuda.empty_cache()
            for result in results.values():
                if "median_ms" in result:
                    result["tokens_a_second"] = 1e3 * BATCH * seq_len / result["median_ms"]
            rows.append(
                {
                    "method": label,
                    "string": method,
                    "seq_len": seq_len,
                    "variants": results,
                    "stock_over_ours": ratio(results, "stock", "ours"),
                    "stock_fused_over_ours": ratio(results, "stock fused", "ours"),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mamba-130m", choices=("mamba-130m", "mamba-1.4b"))
    parser.add_argument("--minutes", type=float, default=8, help="stop starting measurements after this time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows = measured(options.model, options.rounds, Clock(options.minutes * 60))
    result = {"made_by": about(), "model": options.model, "batch": BATCH, "steps": rows}
    write_json(options.output or Path(f"results/benchmarks/gpu_steps_{options.model}.json"), result)


if __name__ == "__main__":
    main()
