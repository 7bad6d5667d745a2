"""A model pretrained on text as a folder that transformers loads by itself, with what was measured and a card."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging

from ..adapters.backbone import Backbone
from ..plan.results import write_json, write_text
from ..training import provenance
from .floor import products_alone
from .pretrain_on_text import TextRun
from .text_card import card
from .text_folder import END

PROMPTS = (
    "The old house stood",
    "A: I would like to book a table for two.\nB:",
    "A database is",
    "She did not answer, but",
)

SAMPLE_TOKENS = 60

SOURCES = "TEXT.md"
"""The text folder's README.md, which says whose text it is and under which licences."""


def write_checkpoint(run: TextRun, tokenizer: Tokenizer, ngrams: dict[str, Any], text: Path, folder: Path) -> None:
    """Measure a finished run and write its model in bfloat16, its tokenizer, its card and, last, `model.json`.

    Args:
        run: at its end; its weights are rounded, and are of no more use for training.
        ngrams: what `score-ngrams` wrote.
        text: the folder of text; its README.md, where it has one, goes along.
        folder: where the checkpoint goes.
    Raises:
        ValueError: the run is not at its end.
    """
    if not run.done:
        raise ValueError(
            f"{run.model} has seen {run.progress.tokens:,} of {run.recipe.tokens:,} tokens; run pretrain-on-text again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        for parameter in run.network.parameters():
            parameter.copy_(parameter.bfloat16())
    about = facts(run, ngrams)
    network = run.network.eval()
    Backbone(network).restore()
    # neither that stock transformers is slow without kernels for a GPU, nor a progress bar, is news here
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    about["samples"] = samples(network, tokenizer)
    network.bfloat16().save_pretrained(folder)
    _save_tokenizer(tokenizer, folder)
    if (sources := Path(text) / "README.md").exists():
        shutil.copyfile(sources, folder / SOURCES)
    write_text(folder / "README.md", card(about, SOURCES if (folder / SOURCES).exists() else None))
    write_json(folder / "model.json", about)


def facts(run: TextRun, ngrams: dict[str, Any]) -> dict[str, Any]:
    """Measure a run: losses, bits per byte, and its speed beside that of its matrix products alone."""
    loss, held_out, now = run.held_out_loss(), run.held_out, run.progress
    predicted = len(held_out.tokens) - len(held_out.ends)
    timed = [entry for entry in now.history if "core_seconds" in entry]
    speed = sum(entry["counted"] for entry in timed) / sum(entry["core_seconds"] for entry in timed)
    recipe = run.recipe
    rows = max(1, recipe.batch_tokens // recipe.length // recipe.shards)
    ids = torch.randint(1, run.sizes["vocab_size"], (rows, recipe.length))
    floor = ids.numel() / products_alone(run.shards, ids, ids)
    return {
        "model": run.model,
        "parameters": sum(parameter.numel() for parameter in run.network.parameters()),
        "run": run.identity(),
        "tokens": now.tokens,
        "steps": now.step,
        "hours": round(now.seconds / 3600, 2),
        "speed": {"unit": "tokens a second and core", "training": round(speed), "products_alone": round(floor)},
        "held_out": {
            "documents": len(held_out.ends),
            "bytes": held_out.size,
            "loss": round(loss, 4),
            "bits_per_byte": round(loss * predicted / math.log(2) / held_out.size, 4),
        },
        "ngrams": ngrams,
        "history": now.history,
        "eos": 0,
        "made_by": provenance.environment(run.network),
    }


def samples(network: nn.Module, tokenizer: Tokenizer) -> list[dict[str, str]]:
    """Let the model go on from a few beginnings, by sampling among the 40 likeliest tokens at temperature 0.8."""
    found = []
    for prompt in PROMPTS:
        torch.manual_seed(0)
        ids = torch.tensor([[0, *tokenizer.encode(prompt, add_special_tokens=False).ids]])
        with torch.no_grad():
            answer = network.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=SAMPLE_TOKENS, do_sample=True, temperature=0.8,
                top_k=40, pad_token_id=0, eos_token_id=0,
            )  # fmt: skip
        found.append({"prompt": prompt, "answer": tokenizer.decode(answer[0, ids.shape[1] :].tolist())})
    return found


def _save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    special = dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), END)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
