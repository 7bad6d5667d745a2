"""Soft prompts: learned embeddings in front of the input, seen once, also in generation with a cache."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .padding import first_token


class Prompts(nn.Module):
    """The soft prompts of one model, one for each adapter; a submodule of the backbone named `soft_prompt`.

    Before the backbone runs, the prompt is put in front of the first real token of each row; behind it the prompt's
    outputs are cut off again, so that losses, logits and generation need not know of it. When the cache holds a
    state already the prompt is part of that state and nothing is added.
    """

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.deltas = nn.ModuleDict()
        self.active: list[str] = []
        self.enabled = True
        backbone.register_forward_pre_hook(self._before, with_kwargs=True)
        backbone.register_forward_hook(self._after, with_kwargs=True)

    def add(self, adapter: str, prompt: nn.Module) -> None:
        """Put a prompt in place."""
        self.deltas[adapter] = prompt
        if adapter not in self.active:
            self.active.append(adapter)

    def acting(self) -> Tensor | None:
        """The embeddings to prepend, [tokens, d_model], or None."""
        names = [name for name in self.active if name in self.deltas] if self.enabled else []
        return torch.cat([self.deltas[name].prompt for name in names]) if names else None

    def _before(self, backbone: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        prompt = self.acting()
        if prompt is None:
            return args, kwargs
        kwargs = dict(zip(("input_ids",), args, strict=False)) | kwargs
        mask = kwargs.get("attention_mask")
        if _continues(kwargs):
            kwargs["attention_mask"] = None if mask is None else torch.cat([mask, _ones(mask, len(prompt))], dim=1)
            return (), kwargs
        embeddings = kwargs.get("inputs_embeds")
        if embeddings is None:
            embeddings = backbone.get_input_embeddings()(kwargs["input_ids"])
        kwargs["input_ids"] = None
        kwargs["inputs_embeds"], kwargs["attention_mask"] = _prepended(prompt.to(embeddings.dtype), embeddings, mask)
        return (), kwargs

    def _after(self, backbone: nn.Module, args: tuple, kwargs: dict, output):
        prompt = self.acting()
        first = output[0]
        if prompt is None or kwargs.get("inputs_embeds") is None or first.shape[1] <= len(prompt):
            return output
        if isinstance(output, tuple):
            return (first[:, len(prompt) :], *output[1:])
        output.last_hidden_state = first[:, len(prompt) :]
        return output


class SoftPrompt(nn.Module):
    """Learned embeddings, started from those of random tokens (Lester et al., 2021).

    Args:
        tokens: length of the prompt, at least 1.
        embedding: the model's token embedding, [vocabulary, d_model].
    """

    def __init__(self, tokens: int, embedding: Tensor):
        super().__init__()
        chosen = torch.randint(len(embedding), (tokens,), device="cpu").to(embedding.device)
        self.prompt = nn.Parameter(embedding.detach()[chosen].clone().float())


def _continues(kwargs: dict) -> bool:
    """Whether the cache that the backbone is called with holds a state already."""
    cache = kwargs.get("cache_params")
    cache = kwargs.get("past_key_values") if cache is None else cache
    return cache is not None and cache.has_previous_state()


def _ones(mask: Tensor, count: int) -> Tensor:
    return mask.new_ones(len(mask), count)


def _prepended(prompt: Tensor, embeddings: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    batch, seq_len, d_model = embeddings.shape
    whole = torch.cat([prompt.expand(batch, -1, -1), embeddings], dim=1)
    if mask is None:
        return whole, None
    if bool((mask[:, 0] != 0).all()):
        return whole, torch.cat([_ones(mask, len(prompt)), mask], dim=1)
    # left padding: the prompt moves right, to stand between the padding and the first real token
    first = first_token(mask)[:, None]
    position = torch.arange(len(prompt) + seq_len, device=mask.device)[None]
    source = torch.where(
        position < first, len(prompt), torch.where(position < first + len(prompt), position - first, position)
    )
    whole = whole.gather(1, source[..., None].expand(-1, -1, d_model))
    return whole, torch.cat([mask, _ones(mask, len(prompt))], dim=1)
