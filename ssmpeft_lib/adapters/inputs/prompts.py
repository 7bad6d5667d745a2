"""Soft prompts: learned embeddings in front of the input, seen once, also in generation with a cache."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...compat.transformers import find_cache
from ..attach import beside
from ..named import Named
from ..padding import first_token


class Prompts(Named):
    """The soft prompts of one model, one for each adapter; a submodule of the backbone named `soft_prompt`.

    Before the backbone runs, the prompt is put in front of the first real token of each row; behind it the prompt's
    outputs are cut off again, so that losses, logits and generation need not know of it. When the cache holds a
    state already the prompt is part of that state and nothing is added.
    """

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.added = 0
        self.hooks = (
            backbone.register_forward_pre_hook(self._before, with_kwargs=True),
            backbone.register_forward_hook(self._after),
        )

    def add(self, adapter: str, prompt: nn.Module) -> None:
        """Put a prompt in place and make its adapter an active one."""
        self.deltas[adapter] = beside(prompt, prompt.prompt)
        self.activate(adapter)

    def detach(self) -> None:
        """Let the backbone run without prompts again."""
        for hook in self.hooks:
            hook.remove()

    def acting(self) -> Tensor | None:
        """The embeddings to prepend, [tokens, d_model], or None."""
        names = self.acting_names()
        return torch.cat([self.deltas[name].prompt for name in names]) if names else None

    def _before(self, backbone: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        prompt = self.acting()
        self.added = 0
        if prompt is None:
            return args, kwargs
        kwargs = dict(zip(("input_ids",), args, strict=False)) | kwargs
        mask, positions = kwargs.get("attention_mask"), kwargs.get("position_ids")
        if mask is not None and mask.dim() != 2:
            raise ValueError(
                f"a soft prompt needs an attention mask [batch, seq_len], got the shape {list(mask.shape)}"
            )
        if _continues(kwargs):
            if mask is not None:
                kwargs["attention_mask"] = torch.cat([mask, _ones(mask, len(prompt))], dim=1)
            if positions is not None:
                kwargs["position_ids"] = positions + len(prompt)
            return (), kwargs
        embeddings = kwargs.get("inputs_embeds")
        if embeddings is None:
            embeddings = backbone.get_input_embeddings()(kwargs["input_ids"])
        self.added = len(prompt)
        kwargs["input_ids"] = None
        whole, mask = _prepended(prompt.to(embeddings.dtype), embeddings, mask)
        kwargs["inputs_embeds"], kwargs["attention_mask"] = whole, mask
        if positions is not None:
            real = whole.new_ones(whole.shape[:2], dtype=torch.int64) if mask is None else (mask != 0).long()
            kwargs["position_ids"] = (real.cumsum(1) - 1).clamp(min=0)
        return (), kwargs

    def _after(self, backbone: nn.Module, args: tuple, output):
        if not self.added:
            return output
        if isinstance(output, tuple):
            return (output[0][:, self.added :], *output[1:])
        output.last_hidden_state = output.last_hidden_state[:, self.added :]
        if getattr(output, "hidden_states", None) is not None:
            output.hidden_states = tuple(hidden[:, self.added :] for hidden in output.hidden_states)
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
        self.prompt = nn.Parameter(embedding.detach()[chosen].clone())


def _continues(kwargs: dict) -> bool:
    """Whether the cache that the backbone is called with holds a state already."""
    cache = find_cache(kwargs)
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
