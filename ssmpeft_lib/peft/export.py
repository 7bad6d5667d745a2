"""Export what an adapter changes in linear layers as a stock LoRA of peft, for users without this library."""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor, nn

from ..adapters.api import adaptation_of, base_model
from ..adapters.attach import AdaptedLinear
from ..adapters.deltas import LowRank
from ..adapters.storage import PREFIX, WEIGHTS
from ..compat.peft import is_refused_by_lora
from ..compat.transformers import name_or_path
from ..plan.atomic import replacing

NEVER_CALLED = ("dt_proj",)
"""Layers whose weight transformers reads without calling them, so that peft's LoRA on them does nothing."""


@dataclass(frozen=True)
class Exported:
    """What was written and what was not.

    Attributes:
        folder: with adapter_config.json and adapter_model.safetensors.
        layers: paths of the layers that have a LoRA now.
        left_out: paths of what has no counterpart, each with the reason.
        kept: share of the energy of each layer's change, its squared singular values, that the LoRA has; 1 where it is
            exact.
    """

    folder: Path
    layers: tuple[str, ...]
    left_out: dict[str, str]
    kept: dict[str, float]


def export_lora(
    model: nn.Module,
    folder: str | Path,
    adapter: str | None = None,
    strict: bool = False,
    rank: int | float | None = None,
) -> Exported:
    """Write the changes that an adapter makes to linear layers as a LoRA adapter that peft loads by itself.

    The updates of several blocks of a fused projection become one update of the whole layer, of the sum of their ranks.

    Args:
        model: adapted by this library, alone or through peft.
        adapter: whose; None for the only one, or the only active one.
        strict: whether to refuse an adapter of which a part would be left out; otherwise that is a warning.
        rank: None for plain low-rank updates, as they are. With a rank, any change of a linear layer is written (of
            DoRA, SDT, full fine-tuning of a slot), as the nearest one of that rank by its singular values; a fraction
            in (0, 1) is the share of the change's energy to keep, at whatever rank that takes in each layer. The
            changes are those from the frozen weights, so the base is the model as it was before.
    Raises:
        ValueError: no part of the adapter has a counterpart in peft, or not all of it if `strict`; says why. Or the
            rank is no positive number.
    """
    if rank is not None and (rank <= 0 or (rank > 1 and rank != int(rank))):
        raise ValueError(f"rank={rank} must be a whole number above 0, or a share of the energy below 1")
    found = adaptation_of(model, adapter)
    model, parts, left_out, kept = base_model(model), {}, {}, {}
    for name, carrier in model.named_modules():
        deltas = getattr(carrier, "deltas", {})
        if found.adapter not in deltas:
            continue
        reason = no_counterpart(model, name, carrier)
        plain = not reason and all(type(delta) is LowRank for delta in carrier.deltas[found.adapter].values())
        if reason or not (plain or rank):
            left_out[name] = reason or "not a plain low-rank update; give export_lora a rank"
        elif rank is None:
            parts[name], kept[name] = _joined(carrier, found.adapter), 1.0
        else:
            parts[name], kept[name] = nearest(carrier.change_by(found.adapter), rank)
    if not parts:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(left_out.items())[:2])
        raise ValueError(
            f"nothing of {found.method} is a LoRA that peft could use ({reasons}); merge the model instead"
        )
    if left_out:
        message = (
            f"{len(left_out)} of {len(left_out) + len(parts)} parts of {found.method} have no counterpart in peft, "
            "which computes something else without them: "
            + ", ".join(f"{name} ({why})" for name, why in left_out.items())
        )
        if strict:
            raise ValueError(f"{message}; merge the model instead, or export with strict=False")
        warnings.warn(message, stacklevel=2)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{PREFIX}{name}.lora_{letter}.weight": matrix.contiguous()
        for name, factors in parts.items()
        for letter, matrix in zip("AB", factors, strict=True)
    }
    with replacing(folder / WEIGHTS) as draft:
        save_file(tensors, draft, metadata={"format": "pt"})
    _config(model, {name: len(down) for name, (down, _) in parts.items()}).save_pretrained(folder)
    return Exported(folder, tuple(parts), left_out, kept)


def no_counterpart(model: nn.Module, name: str, carrier: nn.Module) -> str:
    """Why peft's LoRA has nothing that does what is done here, in words; empty where it has."""
    if not isinstance(carrier, AdaptedLinear):
        return "not on the output of a linear layer"
    layer = name.rpartition(".")[2]
    if layer in NEVER_CALLED:
        return f"transformers reads the weight of {name} without calling it"
    return f"peft refuses LoRA on {name} for this model type" if is_refused_by_lora(model, layer) else ""


@torch.no_grad()
def nearest(change: Tensor, rank: int | float) -> tuple[tuple[Tensor, Tensor], float]:
    """lora_A and lora_B of the nearest change of a rank, and the share of the energy that they keep.

    Args:
        change: of a weight, [rows, columns].
        rank: at least 1, or a share of the energy to keep, below 1.
    """
    left, values, right = torch.linalg.svd(change.cpu(), full_matrices=False)
    energy = values.double().square()
    if rank < 1:
        rank = 1 + int((energy.cumsum(0) < rank * energy.sum()).sum())
    rank = min(int(rank), len(values))
    share = float(energy[:rank].sum() / energy.sum()) if energy.any() else 1.0
    root = values[:rank].sqrt()
    return (root[:, None] * right[:rank], left[:, :rank] * root), share


@torch.no_grad()
def _joined(carrier: AdaptedLinear, adapter: str) -> tuple[Tensor, Tensor]:
    """lora_A and lora_B of the whole layer, with the scale in lora_B."""
    deltas = carrier.deltas[adapter]
    down = torch.cat([delta.lora_A for delta in deltas.values()])
    ups = [delta.scaling * delta.lora_B for delta in deltas.values()]
    shape = carrier.out_features
    regions = [carrier.regions[slot] for slot in deltas]
    up = torch.cat([r.spread(u, (shape, u.shape[1])) for r, u in zip(regions, ups, strict=True)], dim=1)
    return down.cpu(), up.cpu()


def _config(model: nn.Module, ranks: dict[str, int]) -> LoraConfig:
    by_rank: dict[int, list[str]] = defaultdict(list)
    for name, rank in ranks.items():
        by_rank[rank].append(name)
    usual = max(by_rank, key=lambda rank: len(by_rank[rank]))
    pattern = {name: rank for name, rank in ranks.items() if rank != usual}
    return LoraConfig(
        task_type="CAUSAL_LM" if hasattr(model, "generate") else None,
        base_model_name_or_path=name_or_path(model),
        inference_mode=True,
        target_modules=sorted(ranks),
        r=usual,
        # a scale of 1, as lora_B holds the scale already
        lora_alpha=usual,
        rank_pattern=pattern,
        alpha_pattern=pattern,
    )
