"""Stand-ins: small models of each family, pretrained here, so that adapting them means something."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..adapters.backbone import Backbone
from ..plan import manifest, registry
from ..plan.atomic import replacing_folder
from ..plan.pretraining import STEPS
from ..plan.results import write_json
from ..training import provenance

BATCH, LENGTH = 16, 64
PEAK_RATE = 8e-3

WEIGHTS = "weights"
"""Folder of the weights, beside model.json, which is written last."""


def pretrain(
    model: str,
    documents: Iterable[list[int]],
    vocabulary: int,
    eos: int,
    folder: Path,
    steps: int = STEPS,
    seed: int = 0,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Pretrain the stand-in of a model on next-token prediction and write it as transformers does.

    Args:
        model: name such as `mamba-130m`.
        documents: token ids, one list a document, endless or long enough.
        vocabulary, eos: of the tokenizer.
        folder: where weights/ and, last, model.json go.
        command: that makes them again, as a manifest has it.
    Returns:
        what model.json says: sizes, losses, checksums.
    """
    torch.manual_seed(seed)
    network = registry.load("models", model).build(
        **registry.model_facts(model).stand_in,
        vocab_size=vocabulary,
        eos_token_id=eos,
        pad_token_id=eos,
        bos_token_id=eos,
    )
    Backbone(network).prepare()
    start = perf_counter()
    losses = _train(network, _blocks(documents, eos), steps)
    for mixer in Backbone(network).mixers:
        mixer.uninstall()
    with replacing_folder(Path(folder) / WEIGHTS) as draft:
        network.save_pretrained(draft)
    about = {
        "model": model,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "steps": steps,
        "tokens": steps * BATCH * LENGTH,
        "loss": losses,
        "eos": eos,
    }
    return write_about(Path(folder), network, about, perf_counter() - start, command)


def write_about(
    folder: Path, network: nn.Module, about: dict[str, Any], seconds: float, command: Sequence[str]
) -> dict[str, Any]:
    """Write pretraining.json and, last, model.json with the checksums of the files in weights/.

    What differs between two equal pretrainings is in pretraining.json alone: cells look at model.json, and one that was
    made again just as it was leaves them as they are.
    """
    made_by = provenance.environment(network)
    write_json(folder / "pretraining.json", {"seconds": round(seconds, 1), "made_by": made_by})
    return manifest.write(folder / "model.json", {**about, "path": WEIGHTS}, (folder / WEIGHTS).iterdir(), command)


def _train(network: nn.Module, blocks: Iterator[Tensor], steps: int) -> list[dict]:
    """Take steps; no `loop.fit`, for pretraining has a schedule, betas and weight decay of its own."""
    decayed = [p for p in network.parameters() if p.dim() >= 2]
    others = [p for p in network.parameters() if p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98), fused=True)
    network.train()
    total, losses = 0.0, []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step, steps)
        block = next(blocks)
        logits = network(input_ids=block[:, :-1], use_cache=False).logits
        loss = F.cross_entropy(logits.flatten(0, 1).float(), block[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0, error_if_nonfinite=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total += loss.item()
        every = max(1, steps // 10)
        if (step + 1) % every == 0:
            losses.append({"step": step + 1, "loss": round(total / every, 4)})
            total = 0.0
    return losses


def _rate(step: int, steps: int) -> float:
    """Short warm-up, constant, then linear decay over the last two fifths."""
    return PEAK_RATE * min(1.0, (step + 1) / 100, max(0.02, (1 - step / steps) / 0.4))


def _blocks(documents: Iterable[list[int]], eos: int) -> Iterator[Tensor]:
    """Documents in a row, cut into batches of LENGTH + 1 tokens."""
    size = BATCH * (LENGTH + 1)
    buffer: list[np.ndarray] = []
    held = 0
    for document in documents:
        buffer.append(np.asarray([*document, eos], dtype=np.int64))
        held += len(buffer[-1])
        if held >= 64 * size:
            tokens = np.concatenate(buffer)
            whole = math.floor(len(tokens) / size) * size
            yield from torch.from_numpy(tokens[:whole]).view(-1, BATCH, LENGTH + 1)
            buffer, held = [tokens[whole:]], len(tokens) - whole
