"""The forward that all mixers of transformers models share, and its exchange for their own.

It calls modules, never their weights, so that every adapter acts; it is the same in training and evaluation; and it
can start from a state. The class of a mixer is changed for it, so parameters, names and copies stay as they are.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from ..adapters.inputs.starts import Start
from ..ops import causal_conv1d


class MixerForward:
    """What a kind of mixer fills in: `_project`, `_scan`, `_step` and the properties of its state."""

    def forward(self, hidden_states, cache_params=None, attention_mask=None, **kwargs):
        """hidden_states [batch, seq_len, d_model] -> the same shape; fills `cache_params` where given."""
        alone = hidden_states.shape[1] == 1
        mask = None if attention_mask is None or alone else attention_mask.to(hidden_states.dtype)
        if mask is not None:
            hidden_states = hidden_states * mask[..., None]
        streams = self._project(hidden_states)
        started = cache_params is not None and cache_params.has_previous_state(self.layer_idx)
        layer = cache_params.layers[self.layer_idx] if started else None
        if started and alone and not torch.is_grad_enabled():
            y = self._step(streams, layer)
        else:
            start = self._continued(layer) if started else self._learned_start(streams[0].dtype)
            y = self._scan(streams, start or Start(), mask, cache_params)
        return self.out_proj(y.to(hidden_states.dtype))

    def __reduce_ex__(self, protocol):
        # pickle finds a class by its name, and this one's is that of transformers' class, which it stands in for
        return _remade, (self._stock, self._forward), *super().__reduce_ex__(protocol)[2:]

    def _learned_start(self, dtype: torch.dtype) -> Start | None:
        return self.start(dtype) if hasattr(self, "start") else None

    def _continued(self, layer) -> Start:
        # copies, as the cache is about to be overwritten
        return Start(layer.recurrent_states[0].clone(), self._columns(layer).clone())

    def _columns(self, layer) -> Tensor:
        """A view of the inputs that the convolution remembers, [batch, channels, d_conv - 1]."""
        return layer.conv_states[0][..., 1 - self.conv_kernel_size :]

    def _convolved(self, x: Tensor, columns: Tensor | None) -> Tensor:
        """x [batch, channels, seq_len] through the convolution and its activation."""
        return causal_conv1d(x, self.conv1d.weight[:, 0], self.conv1d.bias, self.activation, columns)

    def _A(self) -> Tensor:
        return -torch.exp(self.A_log.to(torch.promote_types(self.A_log.dtype, torch.float32)))


@cache
def _with_forward(kind: type, forward: type) -> type:
    known = {"__module__": kind.__module__, "_stock": kind, "_forward": forward}
    return type(kind.__name__, (forward, kind), known)


def _remade(kind: type, forward: type) -> nn.Module:
    """An empty mixer for pickle to fill."""
    mixed = _with_forward(kind, forward)
    return mixed.__new__(mixed)


def swap_forward(mixer: nn.Module, forward: type) -> None:
    """Mix `forward` into the class of one module. Does nothing when it is there already."""
    if not isinstance(mixer, forward):
        mixer.__class__ = _with_forward(type(mixer), forward)


def swap_back(mixer: nn.Module) -> None:
    """Give a module the class back that it had."""
    mixer.__class__ = getattr(type(mixer), "_stock", type(mixer))
