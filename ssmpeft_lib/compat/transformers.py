"""What is relied on inside transformers and accelerate: the cache, masks of attention, and marks left on a model.

The cache is handed around as `cache` since transformers 5.24, under one of two other names before. Of a recurrent layer
it holds lists of one state each, which mixers read and write in place; beside them they keep notes of their own on the
layer, which go when the cache does. The marks are attributes that are looked for and need not be there. The
code of a family lies in a folder of its name.
"""

from __future__ import annotations

import inspect
from importlib.resources import files
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .window import tried

NAMES = ("cache", "cache_params", "past_key_values")
"""The newest first: its outputs answer to the older ones too, with a warning."""


def cache_keyword(model: nn.Module) -> str:
    """Name of the cache among the arguments and in the output of a transformers model.

    Raises:
        TypeError: the model's forward takes no cache under any of the known names.
    """
    arguments = inspect.signature(model.forward).parameters
    for name in NAMES:
        if name in arguments:
            return name
    raise TypeError(f"{type(model).__name__}.forward takes no cache: none of {', '.join(NAMES)} is an argument of it")


def find_cache(arguments: dict):
    """The cache among the keyword arguments of a call, or None."""
    return next((arguments[name] for name in NAMES if arguments.get(name) is not None), None)


def take_cache(arguments: dict):
    """The same, and take it out of the arguments under all of its names."""
    cache = find_cache(arguments)
    for name in NAMES:
        arguments.pop(name, None)
    return cache


def recurrent_state(layer: Any) -> Tensor:
    """The scan's last state in a layer of the cache, to be moved on in place.

    Raises:
        TypeError: the layer holds it otherwise than in the versions that were tried.
    """
    return _first(layer, "recurrent_states")


def convolved_inputs(layer: Any) -> Tensor:
    """The last inputs of the convolution in a layer of the cache, to be moved on in place.

    Raises:
        TypeError: the layer holds them otherwise than in the versions that were tried.
    """
    return _first(layer, "conv_states")


def begin_anew(layer: Any) -> None:
    """Have what is written next into a layer of the cache replace what is there."""
    _first(layer, "has_previous_state")
    layer.has_previous_state[0] = False


def _first(layer: Any, name: str) -> Any:
    try:
        return getattr(layer, name)[0]
    except (AttributeError, IndexError, KeyError, TypeError):
        wanted = tried().get("transformers", "those that pyproject.toml names")
        raise TypeError(
            f"a layer of transformers' cache ({type(layer).__name__}) has no {name} as it had in the versions that "
            f"were tried, {wanted}; generate with use_cache=False, or install one of these"
        ) from None


def types_with(word: str) -> list[str]:
    """The `model_type`s of transformers whose modelling code has a word in it."""
    package = files("transformers") / "models"
    return sorted(
        folder.name
        for folder in package.iterdir()
        if (file := folder / f"modeling_{folder.name}.py").is_file() and word in file.read_text(encoding="utf-8")
    )


MASKED_ATTENTION = ("eager", "sdpa", "flex_attention")
"""Implementations of attention that read a mask of every pair of tokens."""


def keep_documents_apart(model: nn.Module, arguments: dict, documents: Tensor) -> dict:
    """The arguments of a call with which attention keeps the documents of each row apart, and no cache is made.

    Args:
        model: a transformers model, which is about to be called.
        arguments: of the call, by name.
        documents: numbers of the documents, [batch, seq_len]; padding is one of them.
    Raises:
        ValueError: an implementation of attention that is not known to keep them apart.
    """
    from transformers.masking_utils import create_causal_mask

    arguments = arguments | {"use_cache": False}
    mask = arguments.get("attention_mask")
    if isinstance(mask, Tensor) and mask.dim() == 2:
        # padding is a document of its own
        arguments["attention_mask"] = mask = None
    if "position_ids" not in inspect.signature(model.forward).parameters or mask is not None:
        # there is no attention, or the caller has parted its mask
        return arguments
    anew = F.pad(documents[:, 1:] != documents[:, :-1], (1, 0), value=True)
    steps = torch.arange(anew.shape[1], device=anew.device)
    positions = steps - torch.where(anew, steps, 0).cummax(1).values
    if arguments.get("position_ids") is None:
        arguments["position_ids"] = positions
    implementation = model.config._attn_implementation
    if "flash" in implementation:
        return arguments | _lengths(anew)
    if implementation not in MASKED_ATTENTION:
        raise ValueError(
            f"attention of the kind {implementation!r} is not known to keep several documents of a row apart; load the "
            "model with attn_implementation='sdpa' (or eager, flex_attention, flash_attention_2)"
        )
    # made here, as not every family lets the mask know of positions; without a mask of padding and without a cache,
    # which has another name since transformers 5.24
    embeddings = torch.empty(*anew.shape, 0, dtype=model.dtype, device=anew.device)
    apart = create_causal_mask(model.config, embeddings, None, None, position_ids=positions)
    return arguments | {"attention_mask": {"full_attention": apart, "linear_attention": None}}


def _lengths(anew: Tensor) -> dict:
    """What flash attention reads of documents, which it finds in all rows one behind the other."""
    ends = F.pad(anew.flatten().nonzero().flatten(), (0, 1), value=anew.numel()).to(torch.int32)
    longest = int(ends.diff().max())
    return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}


def hooks_of(module: nn.Module) -> list:
    """What accelerate runs before and after a module's forward, as where weights are offloaded."""
    hook = getattr(module, "_hf_hook", None)
    return list(getattr(hook, "hooks", [hook]))


def has_loaded_peft(model: nn.Module) -> bool:
    """Whether transformers itself loaded an adapter of peft into a model."""
    return getattr(model, "_hf_peft_config_loaded", False)


def name_or_path(model: nn.Module) -> str | None:
    """What a model was loaded from: a name on the hub or a folder; None for one that was built."""
    return getattr(getattr(model, "config", None), "_name_or_path", None) or None
