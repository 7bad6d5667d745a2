"""One token after another through a transformers model and its cache."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..compat.transformers import cache_keyword


class Decoder:
    """A causal language model that has read a batch of prompts and takes one token a row at a time.

    Only the last position's logits are ever computed.
    """

    def __init__(self, model: nn.Module):
        self.core = getattr(model, model.base_model_prefix)
        self.lm_head = model.get_output_embeddings()
        self.cache_keyword = cache_keyword(self.core)
        self.cache = None
        self.attends = False
        self.mask: Tensor | None = None

    def read(self, prompts: list[list[int]]) -> Tensor:
        """Read the prompts, padded on the left; returns logits of the next token, [batch, vocabulary]."""
        device = self.lm_head.weight.device
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=device)
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        equal = bool((lengths == longest).all())
        self.mask = (torch.arange(longest, device=device) >= longest - lengths[:, None]).to(torch.int64)
        output = self.core(input_ids=ids, attention_mask=None if equal else self.mask, use_cache=True)
        self.cache = getattr(output, self.cache_keyword)
        self.attends = any(hasattr(layer, "keys") for layer in self.cache.layers)
        return self._logits(output)

    def step(self, tokens: Tensor) -> Tensor:
        """Take one token a row, [batch]; returns logits of the next, [batch, vocabulary]."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        arguments = {self.cache_keyword: self.cache}
        if self.attends:
            # nothing else reads a mask at a single token, and stock Mamba would take it for one of that token
            arguments["attention_mask"] = self.mask
        output = self.core(input_ids=tokens[:, None], use_cache=True, **arguments)
        return self._logits(output)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, in this order; a row may occur more than once."""
        self.mask = self.mask[rows]
        for layer in self.cache.layers:
            layer.reorder_cache(rows)

    def _logits(self, output) -> Tensor:
        logits = self.lm_head(output.last_hidden_state[:, -1]).float()
        # a maximum is NaN where any value is
        if not logits.amax(-1).isfinite().all():
            raise FloatingPointError("the model's logits are not all finite, so that no token is the likeliest")
        return logits
