"""A cache that holds a soft prompt: to whoever asks from outside of the model, it is as long as the tokens are."""

from __future__ import annotations

from ..mixed_class import Mixin, mix_in


class PromptedCache(Mixin):
    """Mixed into the class of a transformers cache that a soft prompt was written into.

    Generation and users count tokens, of which the prompt is none; attention and its masks count all that is there.

    Attributes:
        prompt_tokens: length of the prompt.
        within: whether the model is running.
    """

    prompt_tokens: int
    within: bool

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Length of what the cache holds; the prompt counts while the model is running."""
        length = super().get_seq_length(layer_idx)
        return length if self.within else max(length - self.prompt_tokens, 0)


def enter(cache, prompt_tokens: int | None = None) -> None:
    """Let a cache count the prompt as long as the model runs.

    Args:
        cache: of transformers, or None.
        prompt_tokens: given when the prompt is about to be written into it.
    """
    if prompt_tokens is not None and cache is not None:
        mix_in(cache, PromptedCache)
        cache.prompt_tokens = prompt_tokens
    if isinstance(cache, PromptedCache):
        cache.within = True


def leave(cache) -> None:
    """Let a cache count tokens again."""
    if isinstance(cache, PromptedCache):
        cache.within = False


def prompt_in(cache) -> int:
    """How many tokens of a prompt a cache holds."""
    started = cache is not None and cache.has_previous_state()
    return cache.prompt_tokens if started and isinstance(cache, PromptedCache) else 0
