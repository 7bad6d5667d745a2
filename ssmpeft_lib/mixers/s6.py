"""S6, the selective scan of Mamba-1: transformers' mamba, falcon_mamba and jamba.

transformers' own forward reads `dt_proj.weight` and `conv1d.weight` on every path, and the weights of x_proj and
out_proj too where the fused kernel is installed, so that an adapter on those modules is skipped. The forward here
calls modules and is the same in training and evaluation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..adapters.attach import linear_without_bias
from ..adapters.slots import SlotSpec
from ..adapters.starts import Start
from ..ops import causal_conv1d, causal_conv1d_step, selective_scan, selective_state_step
from ._cache import remember
from ._forward import swap_back, swap_forward
from ..adapters.padding import MASKED_DELTA, first_token, place_columns

SLOTS = {
    "in_proj_x": SlotSpec("in_proj.weight", rows=lambda m: slice(0, m.intermediate_size), channel_axis=0),
    "in_proj_z": SlotSpec(
        "in_proj.weight", rows=lambda m: slice(m.intermediate_size, 2 * m.intermediate_size), channel_axis=0
    ),
    "conv1d": SlotSpec("conv1d.weight", channel_axis=0),
    "conv1d_bias": SlotSpec("conv1d.bias", channel_axis=0),
    "x_proj_dt": SlotSpec("x_proj.weight", rows=lambda m: slice(0, m.time_step_rank), channel_axis=1),
    "x_proj_B": SlotSpec("x_proj.weight", rows=lambda m: _state_rows(m, 0), state_axis=0, channel_axis=1),
    "x_proj_C": SlotSpec("x_proj.weight", rows=lambda m: _state_rows(m, 1), state_axis=0, channel_axis=1),
    "dt_proj": SlotSpec("dt_proj.weight", channel_axis=0),
    "dt_proj_bias": SlotSpec("dt_proj.bias", channel_axis=0),
    "A_log": SlotSpec("A_log", channel_axis=0, state_axis=1),
    "D": SlotSpec("D", channel_axis=0),
    "ssm_norm_dt": SlotSpec("dt_layernorm.weight"),
    "ssm_norm_B": SlotSpec("b_layernorm.weight"),
    "ssm_norm_C": SlotSpec("c_layernorm.weight"),
    "out_proj": SlotSpec("out_proj.weight", channel_axis=1),
    "norm": SlotSpec(("norm.weight", "input_layernorm.weight"), owner="block"),
    "norm_f": SlotSpec(("norm_f.weight", "final_layernorm.weight"), owner="backbone"),
}

GROUPS = {
    "in_proj": ("in_proj_x", "in_proj_z"),
    "linear": ("in_proj_x", "in_proj_z", "out_proj"),
    "x_proj": ("x_proj_dt", "x_proj_B", "x_proj_C"),
    "ssm": tuple(name for name in SLOTS if name not in ("in_proj_x", "in_proj_z", "out_proj", "norm", "norm_f")),
    "all": tuple(SLOTS),
}


def matches(module: nn.Module) -> bool:
    """Whether a module is an S6 mixer, judged by the parameters that it holds."""
    return all(hasattr(module, name) for name in ("in_proj", "conv1d", "x_proj", "dt_proj", "A_log", "D", "out_proj"))


def install(mixer: nn.Module) -> None:
    """Give a transformers mixer the forward of this module."""
    swap_forward(mixer, S6Forward)


def uninstall(mixer: nn.Module) -> None:
    """Give the mixer its own forward back."""
    swap_back(mixer)


class S6Forward:
    """The forward of an S6 mixer; mixed into transformers' class by `install`."""

    @property
    def state_shape(self) -> tuple[int, int]:
        """Shape of the scan's state for one sequence: (d_inner, d_state)."""
        return self.intermediate_size, self.ssm_state_size

    @property
    def columns_shape(self) -> tuple[int, int]:
        """Shape of what the convolution remembers of one sequence: (d_inner, d_conv - 1)."""
        return self.intermediate_size, self.conv_kernel_size - 1

    def start_after(self, prefix: Tensor) -> Start:
        """What the mixer holds after a prefix that enters behind in_proj, [prefix_len, d_inner].

        The convolution and the scan are causal, so a sequence behind the prefix sees nothing else of it: prepending the
        prefix and starting from here give the same outputs (Proposition 1, with the convolution's state added).
        """
        x = prefix.t()[None]
        width = self.conv_kernel_size - 1
        u = _convolved(self, x, None)
        bias = self.dt_proj.bias
        delta, B, C = _selective(self, u)
        _, state = selective_scan(u, delta, _A(self), B, C, None, None, bias, True, return_last_state=True)
        return Start(state, F.pad(x, (width, 0))[..., -width:])

    def forward(self, hidden_states, cache_params=None, attention_mask=None, **kwargs):
        """hidden_states [batch, seq_len, d_model] -> the same shape; fills `cache_params` where given."""
        mask = None if attention_mask is None or hidden_states.shape[1] == 1 else attention_mask.to(hidden_states.dtype)
        if mask is not None:
            hidden_states = hidden_states * mask[..., None]
        x, z = self.in_proj(hidden_states).transpose(1, 2).chunk(2, dim=1)
        started = cache_params is not None and cache_params.has_previous_state(self.layer_idx)
        if started and hidden_states.shape[1] == 1:
            y = self._step(x[..., 0], z[..., 0], cache_params)[:, None]
        else:
            start = self._continued(cache_params) if started else self.start() if hasattr(self, "start") else None
            y = self._scan(x, z, start or Start(), mask, cache_params).transpose(1, 2)
        return self.out_proj(y.to(hidden_states.dtype))

    def _scan(self, x: Tensor, z: Tensor, start: Start, mask: Tensor | None, cache_params) -> Tensor:
        columns = start.columns
        if columns is not None and mask is not None:
            x, columns = place_columns(x, columns.to(x.dtype), first_token(mask))
        u = _convolved(self, x, columns)
        if mask is not None:
            u = u * mask[:, None]
        delta, B, C = _selective(self, u)
        if mask is not None:
            delta = delta.masked_fill(mask[:, None] == 0, MASKED_DELTA)
        inputs = (u, delta, _A(self), B, C, self.D, z, self.dt_proj.bias, True, start.state)
        if cache_params is None:
            return selective_scan(*inputs)
        y, state = selective_scan(*inputs, return_last_state=True)
        remember(cache_params, self.layer_idx, x, columns, self.conv_kernel_size, state)
        return y

    def _step(self, x: Tensor, z: Tensor, cache_params) -> Tensor:
        layer = cache_params.layers[self.layer_idx]
        weight, bias = self.conv1d.weight[:, 0], self.conv1d.bias
        u = causal_conv1d_step(layer.conv_states[0][..., 1:], x, weight, bias, self.activation)
        delta, B, C = (part[:, 0] for part in _split(self, u[:, None]))
        return selective_state_step(
            layer.recurrent_states[0], u, delta, _A(self), B, C, self.D, z, self.dt_proj.bias, delta_softplus=True
        )

    def _continued(self, cache_params) -> Start:
        layer = cache_params.layers[self.layer_idx]
        return Start(layer.recurrent_states[0], layer.conv_states[0][..., 1:])


def _convolved(mixer: nn.Module, x: Tensor, columns: Tensor | None) -> Tensor:
    return causal_conv1d(x, mixer.conv1d.weight[:, 0], mixer.conv1d.bias, mixer.activation, columns)


def _selective(mixer: nn.Module, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """delta [batch, d_inner, seq_len] before bias and softplus; B and C [batch, d_state, seq_len]."""
    delta, B, C = _split(mixer, u.transpose(1, 2))
    return delta.transpose(1, 2), B.transpose(1, 2), C.transpose(1, 2)


def _split(mixer: nn.Module, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    sizes = [mixer.time_step_rank, mixer.ssm_state_size, mixer.ssm_state_size]
    dt, B, C = mixer.x_proj(u).split(sizes, dim=-1)
    if hasattr(mixer, "dt_layernorm"):
        dt, B, C = mixer.dt_layernorm(dt), mixer.b_layernorm(B), mixer.c_layernorm(C)
    # the bias is added in the scan, in float32, as the fused kernels do
    return linear_without_bias(mixer.dt_proj, dt), B, C


def _A(mixer: nn.Module) -> Tensor:
    return -torch.exp(mixer.A_log.float())


def _state_rows(mixer: nn.Module, which: int) -> slice:
    start = mixer.time_step_rank + which * mixer.ssm_state_size
    return slice(start, start + mixer.ssm_state_size)
