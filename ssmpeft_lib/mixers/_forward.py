"""The forward that all mixers of transformers models share, and its exchange for their own.

It calls modules, never their weights, so that every adapter acts; it is the same in training and evaluation; and it
can start from a state. The class of a mixer is changed for it, so parameters, names and copies stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..adapters.documents import PACKING, documents_of
from ..adapters.inputs.offsets import Offset
from ..adapters.inputs.starts import Start
from ..adapters.mixed_class import Mixin
from ..adapters.packed import is_read
from ..adapters.padding import first_token
from ..compat.transformers import convolved_inputs, recurrent_state, take_cache
from ..ops import causal_conv1d, causal_conv1d_step
from ._cache import first_waited_for, wait

HARMLESS = {
    *PACKING,
    *("use_cache", "cache_position", "position_embeddings", "max_length_q", "max_length_k", "is_causal"),
    *("output_attentions", "output_hidden_states", "output_router_logits", "return_dict", "num_items_in_batch"),
    "token_type_ids",
}
"""What transformers' models hand down to every layer: it concerns attention, the outputs that are collected, the loss,
or the documents of a row, which are read before."""


class MixerForward(Mixin):
    """What a kind of mixer fills in: `_project`, `_scan`, `_step` and the properties of its state.

    Attributes:
        documents: numbers of the documents of each row, [batch, seq_len], while a model runs that has several in one.
    """

    documents: Tensor | None = None

    def forward(self, hidden_states, cache=None, attention_mask=None, **kwargs):
        """Map hidden_states [batch, seq_len, d_model] to the same shape, and fill the cache where one is given.

        The cache may come under each of the names that it has in transformers.

        Raises:
            TypeError: a keyword that means nothing here; none is swallowed.
            ValueError: several documents in a row, and a cache.
        """
        cache = take_cache(kwargs) if cache is None else cache
        if kwargs:
            self._check_keywords(kwargs)
        documents = self._documents(hidden_states, kwargs | {"attention_mask": attention_mask}, cache)
        seq_len, mask = hidden_states.shape[1], None
        if attention_mask is not None and documents is None:
            # of a call that goes on, the mask may tell of the tokens before it too
            mask = attention_mask[:, -seq_len:].to(hidden_states.dtype)
            hidden_states = hidden_states * mask[..., None]
        streams = self._project(hidden_states)
        started = cache is not None and cache.has_previous_state(self.layer_idx)
        layer = cache.layers[self.layer_idx] if started else None
        if started and seq_len == 1 and mask is None and not torch.is_grad_enabled():
            y = self._step(streams, layer)
        else:
            start = self._continued(layer, mask) if started else self._learned_start(streams[0].dtype, mask)
            y = self._scan(streams, start, mask, cache, documents)
            if cache is not None:
                wait(cache.layers[self.layer_idx], start, seq_len)
        output = self.out_proj(y.to(hidden_states.dtype))
        if hasattr(self, "beside"):
            output = (output + self.beside(hidden_states)).to(output.dtype)
        return output

    @property
    def model_width(self) -> int:
        """Size of what goes into the mixer and comes out: d_model."""
        return self.hidden_size

    def _documents(self, hidden_states: Tensor, arguments: dict, cache) -> Tensor | None:
        documents = self.documents
        if documents is None and not is_read():
            documents = documents_of(arguments, *hidden_states.shape[:2])
        if documents is not None and cache is not None:
            raise ValueError("a cache cannot hold several documents of a row; call the model without one")
        return documents

    def _check_keywords(self, kwargs: dict) -> None:
        unknown = sorted(name for name, value in kwargs.items() if value is not None and name not in HARMLESS)
        if unknown:
            raise TypeError(
                f"{', '.join(unknown)}: nothing is known here about such an argument, and leaving it out could change "
                f"what {type(self).__name__} computes; call the model without it, or remove the adapter first"
            )

    def _learned_start(self, dtype: torch.dtype, mask: Tensor | None) -> Start:
        start = self.start(dtype) if hasattr(self, "start") else None
        if start is None:
            return Start()
        return start if mask is None else replace(start, first=first_token(mask))

    def _learned_offset(self) -> Offset | None:
        return self.offset() if hasattr(self, "offset") else None

    def _continued(self, layer, mask: Tensor | None) -> Start:
        # copies, as the cache is about to be overwritten
        return Start(recurrent_state(layer).clone(), self._columns(layer).clone(), first_waited_for(layer, mask))

    def _columns(self, layer) -> Tensor:
        """A view of the inputs that the convolution remembers, [batch, channels, d_conv - 1]."""
        remembered = convolved_inputs(layer)
        return remembered[..., remembered.shape[-1] - self.conv_kernel_size + 1 :]

    def _convolved(self, x: Tensor, columns: Tensor | None, documents: Tensor | None = None) -> Tensor:
        """x [batch, channels, seq_len] through the convolution and its activation."""
        u = causal_conv1d(x, self.conv1d.weight[:, 0], self.conv1d.bias, self._fused_activation, columns, documents)
        return u if self._fused_activation else self.act(u)

    def _convolved_step(self, x: Tensor, columns: Tensor) -> Tensor:
        """x [batch, channels] through the same; `columns` are moved on in place."""
        u = causal_conv1d_step(columns, x, self.conv1d.weight[:, 0], self.conv1d.bias, self._fused_activation)
        return u if self._fused_activation else self.act(u)

    @property
    def _fused_activation(self) -> str | None:
        """The activation that the convolution applies; None where it has to be applied behind."""
        return "silu" if self.activation in ("silu", "swish") else None

    def _A(self) -> Tensor:
        return -torch.exp(self.A_log.to(torch.promote_types(self.A_log.dtype, torch.float32)))
