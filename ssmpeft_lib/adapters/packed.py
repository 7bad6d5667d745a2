"""Rows of several documents one behind the other (packing, padding-free batches), which mixers do not keep apart.

transformers' Mamba, Falcon-Mamba and Jamba drop what tells of them before a mixer sees it, so the model is asked too.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import torch
from torch import Tensor, nn

LENGTHS = ("cu_seq_lens_q", "cu_seq_lens_k", "cu_seqlens")
PACKING = ("seq_idx", *LENGTHS, "position_ids")
"""The arguments that may tell of several documents in a row."""


def check_one_document(arguments: Mapping) -> None:
    """Raise a ValueError when the arguments of a call tell of several documents in one row.

    Args:
        arguments: of the model or of a mixer, by name: `seq_idx` [batch, seq_len], `cu_seq_lens_q` and the like
            [documents + 1], or `position_ids` [batch, seq_len] that start anew between two tokens which
            `attention_mask`, if there is one, leaves in.
    """
    sign = next((name for name in PACKING if arguments.get(name) is not None and _packed(name, arguments)), None)
    if sign is not None:
        raise ValueError(
            f"{sign} tells of several documents in one row, and the state of the SSM layers would run from each into "
            "the next. Give every document a row of its own: a collator that pads, such as DataCollatorWithPadding, in "
            "place of DataCollatorWithFlattening; packing=False and padding_free=False in TRL's configurations"
        )


def refuse_packed_rows(model: nn.Module) -> None:
    """Let a model check each call. Does nothing when it does already."""
    if not hasattr(model, "packed_rows_check"):
        model.packed_rows_check = model.register_forward_pre_hook(_check_call, with_kwargs=True)


def allow_packed_rows(model: nn.Module) -> None:
    """Take the check away again."""
    check = model.__dict__.pop("packed_rows_check", None)
    if check is not None:
        check.remove()


def _check_call(model: nn.Module, args: tuple, kwargs: dict) -> None:
    if len(args) > 1:
        names = inspect.signature(model.forward).parameters
        kwargs = dict(zip(names, args, strict=False)) | kwargs
    check_one_document(kwargs)


def _packed(name: str, arguments: Mapping) -> bool:
    value = arguments[name]
    if name in LENGTHS:
        return len(value) > 2
    if value.shape[-1] < 2 or torch.compiler.is_compiling():
        # what a compiled graph computes cannot decide whether it is left
        return False
    if name == "seq_idx":
        return bool((value != value[..., :1]).any())
    return value.dim() == 2 and _starts_anew(value, arguments.get("attention_mask"))


def _starts_anew(positions: Tensor, mask: Tensor | None) -> bool:
    anew = positions[:, 1:] <= positions[:, :-1]
    if isinstance(mask, Tensor) and mask.dim() == 2:
        # of a call that goes on, the mask tells of the tokens before it too
        real = mask[:, -positions.shape[1] :] != 0
        anew = anew & real[:, 1:] & real[:, :-1]
    return bool(anew.any())
