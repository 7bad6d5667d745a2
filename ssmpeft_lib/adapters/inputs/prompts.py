"""Soft prompts: learned embeddings in front of the input, seen once, also in generation with a cache."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...compat.transformers import find_cache
from ..attach import to_device_of
from ..packed import documents_now
from ..padding import first_token
from .learned import LearnedInput
from .prompted_cache import enter, leave, prompt_in


class Prompts(LearnedInput):
    """The soft prompts of one model, one for each adapter; a submodule of the backbone named `soft_prompt`.

    Before the backbone runs, the prompt is put in front of the first real token of each row; behind it the prompt's
    outputs are cut off again, so that losses, logits and generation need not know of it. When the cache holds a
    state already the prompt is part of that state and nothing is added.
    """

    slot = "soft_prompt"

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.added = 0
        self.hooks = (
            backbone.register_forward_pre_hook(self._before, with_kwargs=True),
            backbone.register_forward_hook(self._after, with_kwargs=True, always_call=True),
        )

    def add(self, adapter: str, prompt: nn.Module) -> None:
        """Put a prompt in place and make its adapter an active one."""
        self.deltas[adapter] = to_device_of(prompt, prompt.prompt)
        self.activate(adapter)

    def take_away(self, parent: nn.Module, attribute: str) -> None:
        for hook in self.hooks:
            hook.remove()
        super().take_away(parent, attribute)

    def acting(self) -> Tensor | None:
        """The embeddings to prepend, [tokens, d_model], or None."""
        names = self.acting_names()
        return torch.cat([self.deltas[name].prompt for name in names]) if names else None

    def _before(self, backbone: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        self.added = 0
        prompt, cache = self.acting(), find_cache(kwargs)
        if cache is not None and cache.has_previous_state():
            enter(cache)
            return args, _going_on(prompt_in(cache), args, kwargs)
        if prompt is None:
            return args, kwargs
        if documents_now() is not None:
            raise ValueError(
                "a soft prompt stands in front of a row, not of each of its documents; give every document a row of "
                "its own (packing=False and padding_free=False in TRL's configurations), or learn a prefix or an "
                "initial state, from which each document starts"
            )
        # transformers makes a cache of its own behind this, and says so in its output
        enter(cache, len(prompt))
        self.added = len(prompt)
        return (), self._prepended(prompt, backbone, dict(zip(("input_ids",), args, strict=False)) | kwargs)

    def _prepended(self, prompt: Tensor, backbone: nn.Module, kwargs: dict) -> dict:
        """The arguments of a call with the prompt in front of the first real token of each row."""
        mask, positions, embeddings = (kwargs.get(name) for name in ("attention_mask", "position_ids", "inputs_embeds"))
        _check_mask(mask)
        if embeddings is None:
            embeddings = backbone.get_input_embeddings()(kwargs["input_ids"])
        batch, seq_len, _ = embeddings.shape
        first = embeddings.new_zeros(batch, dtype=torch.int64) if mask is None else first_token(mask)
        kwargs |= {"input_ids": None, "inputs_embeds": insert(prompt.to(embeddings.dtype), embeddings, first)}
        if mask is not None:
            kwargs["attention_mask"] = insert(mask.new_ones(len(prompt)), mask, first)
        if positions is not None:
            positions = positions.expand(batch, -1)
            begin = positions.gather(1, first.clamp(max=seq_len - 1)[:, None])
            ahead = begin + torch.arange(len(prompt), device=positions.device)
            kwargs["position_ids"] = insert(ahead, positions + len(prompt), first)
        return kwargs

    def _after(self, backbone: nn.Module, args: tuple, kwargs: dict, output):
        leave(find_cache(kwargs))
        if not self.added or output is None:
            return output
        if isinstance(output, tuple):
            made = next((value for value in output if hasattr(value, "has_previous_state")), None)
        else:
            made = find_cache(output)
        enter(made, self.added)
        leave(made)
        if isinstance(output, tuple):
            return tuple(_cut(value, self.added) for value in output)
        for name in ("last_hidden_state", "hidden_states"):
            if getattr(output, name, None) is not None:
                setattr(output, name, _cut(getattr(output, name), self.added))
        return output


class SoftPrompt(nn.Module):
    """Learned embeddings, started from those of random tokens (Lester et al., 2021).

    Args:
        tokens: length of the prompt, at least 1.
        embedding: the model's token embedding, [vocabulary, d_model].
    """

    how = "embeddings in front of the input"

    def __init__(self, tokens: int, embedding: Tensor):
        super().__init__()
        chosen = torch.randint(len(embedding), (tokens,), device="cpu").to(embedding.device)
        self.prompt = nn.Parameter(embedding.detach()[chosen].clone())


def insert(values: Tensor, sequence: Tensor, first: Tensor) -> Tensor:
    """Put values into each row of a sequence, in front of position `first`.

    Args:
        values: [count, ...] for all rows, or [batch, count] for each.
        sequence: [batch, seq_len, ...].
        first: int64 [batch].
    Returns:
        [batch, count + seq_len, ...].
    """
    batch, seq_len = sequence.shape[:2]
    if values.dim() < sequence.dim():
        values = values.expand(batch, *values.shape)
    count = values.shape[1]
    position, first = torch.arange(count + seq_len, device=sequence.device), first[:, None]
    moved = torch.where(position < first + count, position - first, position)
    source = torch.where(position < first, position + count, moved)
    whole = torch.cat([values, sequence], dim=1)
    return whole.gather(1, source.view(*source.shape, *[1] * (whole.dim() - 2)).expand_as(whole))


def _going_on(prompt_tokens: int, args: tuple, kwargs: dict) -> dict:
    """The arguments of a call that goes on from a cache which holds a prompt; a mask and positions tell of tokens."""
    if not prompt_tokens:
        return kwargs
    mask, positions = kwargs.get("attention_mask"), kwargs.get("position_ids")
    _check_mask(mask)
    ids = next(value for value in (*args, kwargs.get("input_ids"), kwargs.get("inputs_embeds")) if value is not None)
    before = 0 if mask is None else mask.shape[1] - ids.shape[1]
    if before > 0:
        first = first_token(mask).clamp(max=before)
        kwargs = kwargs | {"attention_mask": insert(mask.new_ones(prompt_tokens), mask, first)}
    return kwargs if positions is None else kwargs | {"position_ids": positions + prompt_tokens}


def _check_mask(mask) -> None:
    if mask is not None and (not isinstance(mask, Tensor) or mask.dim() != 2):
        found = f"the shape {list(mask.shape)}" if isinstance(mask, Tensor) else f"a {type(mask).__name__}"
        raise ValueError(
            f"a soft prompt needs an attention mask [batch, seq_len], got {found}; with generate, leave "
            "cache_implementation='static' out"
        )


def _cut(value, count: int):
    """Hidden states without the prompt's; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(_cut(part, count) for part in value)
    return value[:, count:] if isinstance(value, Tensor) and value.dim() == 3 else value
