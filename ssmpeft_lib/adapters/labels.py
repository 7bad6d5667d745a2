"""Batches without a label: their loss is a mean of nothing, which is no number, and a step on it ruins an adapter."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..compat.torch import are_transforms_active

IGNORED = -100
"""What transformers' losses leave out."""

SHOWN = 8
"""How many token ids of a batch are named."""


def are_none_learned(batch: Mapping) -> bool:
    """Whether all labels of a batch are left out, but for the first of each row, which nothing predicts."""
    labels = batch.get("labels")
    return isinstance(labels, Tensor) and labels.dim() == 2 and bool((labels[:, 1:] == IGNORED).all())


def which(batch: Mapping) -> str:
    """What a user can tell a batch by: its size, and how its first row begins."""
    ids = batch.get("input_ids")
    begins = f", whose first row begins with the ids {ids[0, :SHOWN].tolist()}" if isinstance(ids, Tensor) else ""
    return f"the batch of {list(batch['labels'].shape)} labels{begins}"


def warn_of_batches_without_labels(model: nn.Module) -> None:
    """Let a model say when it is called on a batch without a label. Does nothing when it does already."""
    if not hasattr(model, "looks_at_labels"):
        model.looks_at_labels = model.register_forward_pre_hook(_look, with_kwargs=True)


def be_silent_on_labels(model: nn.Module) -> None:
    """Take the look at labels away again."""
    hook = model.__dict__.pop("looks_at_labels", None)
    if hook is not None:
        hook.remove()


def _look(model: nn.Module, args: tuple, kwargs: dict) -> None:
    labels = kwargs.get("labels")
    if not isinstance(labels, Tensor) or torch.compiler.is_compiling() or are_transforms_active():
        return
    # another device would have to be waited for
    if labels.device.type != "cpu" or not are_none_learned(kwargs):
        return
    batch = kwargs if not args else {"input_ids": args[0]} | kwargs
    warnings.warn(
        f"{which(batch)}: all labels are {IGNORED}, so its loss is no number, and a step on it ruins the adapter; "
        "leave it out, or cut prompts where answers are cut off",
        stacklevel=2,
    )
