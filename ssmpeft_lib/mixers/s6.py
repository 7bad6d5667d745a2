"""S6, the selective scan of Mamba-1: transformers' mamba, falcon_mamba and jamba.

transformers' own forward reads `dt_proj.weight` and `conv1d.weight` on every path, and the weights of x_proj and
out_proj too where the fused kernel is installed, so that an adapter on those modules is skipped.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..adapters.attach import linear_without_bias
from ..adapters.inputs.starts import Start
from ..adapters.mixed_class import mix_in, take_out
from ..adapters.padding import MASKED_DELTA, in_front, place_columns
from ..adapters.slots import SlotSpec
from ..compat.transformers import recurrent_state
from ..ops import selective_scan, selective_state_step
from ._cache import remember
from ._forward import MixerForward

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
    "A_log": SlotSpec("A_log", channel_axis=0, state_axis=1, silent=10.0),
    "D": SlotSpec("D", channel_axis=0),
    "ssm_norm_dt": SlotSpec("dt_layernorm.weight"),
    "ssm_norm_B": SlotSpec("b_layernorm.weight"),
    "ssm_norm_C": SlotSpec("c_layernorm.weight"),
    "out_proj": SlotSpec("out_proj.weight", channel_axis=1),
    "in_proj_bias": SlotSpec("in_proj.bias"),
    "out_proj_bias": SlotSpec("out_proj.bias"),
    "norm": SlotSpec(("norm.weight", "input_layernorm.weight"), owner="block"),
    "norm_f": SlotSpec(("norm_f.weight", "final_layernorm.weight"), owner="backbone"),
}

GROUPS = {
    "in_proj": ("in_proj_x", "in_proj_z"),
    "linear": ("in_proj_x", "in_proj_z", "out_proj"),
    "x_proj": ("x_proj_dt", "x_proj_B", "x_proj_C"),
    "ssm": (
        *("conv1d", "conv1d_bias", "x_proj_dt", "x_proj_B", "x_proj_C", "dt_proj", "dt_proj_bias", "A_log", "D"),
        *("ssm_norm_dt", "ssm_norm_B", "ssm_norm_C"),
    ),
    "bias": ("conv1d_bias", "dt_proj_bias"),
    "dynamics": ("A_log",),
    "maps": ("x_proj_B", "x_proj_C"),
    "columns": ("out_proj",),
    "warmup": ("A_log",),
    "all": tuple(SLOTS),
}


def matches(module: nn.Module) -> bool:
    """Whether a module is an S6 mixer, judged by the parameters that it holds."""
    return all(hasattr(module, name) for name in ("in_proj", "conv1d", "x_proj", "dt_proj", "A_log", "D", "out_proj"))


def install(mixer: nn.Module) -> None:
    """Give a transformers mixer the forward of this module."""
    mix_in(mixer, S6Forward)


def uninstall(mixer: nn.Module) -> None:
    """Give the mixer its own forward back."""
    take_out(mixer, S6Forward)


def ranks(mixer: nn.Module, frozen: SimpleNamespace, warmed: SimpleNamespace, rule: str) -> tuple[None, Tensor | None]:
    """What silencing goes by: |A_bar| at the step size of a zero input (paper), or what changed least (code)."""
    if rule == "upstream":
        return None, None
    delta = F.softplus(warmed.dt_proj_bias.float())
    return None, torch.exp(-torch.exp(warmed.A_log.float()) * delta[:, None])


class S6Forward(MixerForward):
    """The forward of an S6 mixer; mixed into transformers' class by `install`."""

    @property
    def state_shape(self) -> tuple[int, int]:
        """Shape of the scan's state for one sequence: (d_inner, d_state)."""
        return self.intermediate_size, self.ssm_state_size

    @property
    def columns_shape(self) -> tuple[int, int]:
        """Shape of what the convolution remembers of one sequence: (d_inner, d_conv - 1)."""
        return self.intermediate_size, self.conv_kernel_size - 1

    @property
    def prefix_width(self) -> int:
        """Size of a prefix vector: d_inner."""
        return self.intermediate_size

    @property
    def output_shape(self) -> tuple[int]:
        """Shape of the scan's output for one token: (d_inner,)."""
        return (self.intermediate_size,)

    takes_further_states = True
    """Whether the scan runs states that the weights have no room for."""

    def behind_in_proj(self, tokens: Tensor) -> Tensor:
        """What tokens [count, d_model] become as a prefix, [count, d_inner]; their gates are of no use."""
        return self._project(tokens[None])[0][0].t()

    def start_after(self, prefix: Tensor) -> Start:
        """What the mixer holds after a prefix that enters behind in_proj, [prefix_len, d_inner].

        The convolution and the scan are causal, so a sequence behind the prefix sees nothing else of it: prepending the
        prefix and starting from here give the same outputs (Proposition 1, with the convolution's state added).
        """
        x = prefix.t()[None]
        width = self.conv_kernel_size - 1
        u = self._convolved(x, None)
        delta, B, C = self._selective(u)
        _, state = selective_scan(
            u, delta, self._A(), B, C, None, None, self.dt_proj.bias, delta_softplus=True, return_last_state=True
        )
        return Start(state, F.pad(x, (width, 0))[..., -width:])

    def _project(self, hidden_states: Tensor) -> tuple[Tensor, Tensor]:
        # parted before they are transposed, so that their gradients come together in the order that in_proj reads
        x, z = self.in_proj(hidden_states).chunk(2, dim=-1)
        return x.transpose(1, 2), z.transpose(1, 2)

    def _scan(
        self,
        streams: tuple[Tensor, Tensor],
        start: Start,
        mask: Tensor | None,
        cache_params,
        documents: Tensor | None = None,
    ) -> Tensor:
        x, z = streams
        columns = None if start.columns is None else start.columns.to(x.dtype)
        if columns is not None and start.first is not None:
            x, columns = place_columns(x, columns, start.first)
        u = self._convolved(x, columns, documents)
        if mask is not None:
            u = u * mask[:, None].to(u.dtype)
        delta, B, C = self._selective(u)
        if start.first is not None:
            delta = delta.masked_fill(in_front(start.first, delta.shape[-1])[:, None], MASKED_DELTA)
        A = self._A()
        inputs = (u, delta, A, B, C, self.D, z, self.dt_proj.bias, True, _with_zeros(start.state, A.shape[1]))
        if cache_params is None:
            return self._with_offset(selective_scan(*inputs, seq_idx=documents), C, z).transpose(1, 2)
        y, state = selective_scan(*inputs, return_last_state=True)
        remember(cache_params, self.layer_idx, x, columns, self.conv_kernel_size, state)
        return self._with_offset(y, C, z).transpose(1, 2)

    def _step(self, streams: tuple[Tensor, Tensor], layer) -> Tensor:
        x, z = (stream[..., 0] for stream in streams)
        u = self._convolved_step(x, self._columns(layer))
        selective = self._selective(u[..., None])
        delta, B, C = (part[..., 0] for part in selective)
        if getattr(layer, "A", None) is None:
            # with the cache, until the next prompt: no weight changes while an answer is written
            layer.A = self._A()
        state = recurrent_state(layer)
        y = selective_state_step(state, u, delta, layer.A, B, C, self.D, z, self.dt_proj.bias, True)
        return self._with_offset(y[..., None], selective[2], streams[1]).transpose(1, 2)

    def _with_offset(self, y: Tensor, C: Tensor, z: Tensor) -> Tensor:
        """The gated output y [batch, d_inner, seq_len] with what a learned offset adds behind the gate."""
        offset = self._learned_offset()
        if offset is None:
            return y
        added = 0.0 if offset.output is None else offset.output[:, None]
        if offset.state is not None:
            # what further states there may be have no offset
            added = added + offset.state @ C[:, : offset.state.shape[1]].to(offset.state.dtype)
        return y + (F.silu(z) * added).to(y.dtype)

    def _A(self) -> Tensor:
        A = super()._A()
        return self.further.decays(A) if hasattr(self, "further") else A

    def _selective(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """delta [batch, d_inner, seq_len] before bias and softplus; B and C [batch, d_state, seq_len]."""
        sizes = [self.time_step_rank, self.ssm_state_size, self.ssm_state_size]
        dt, B, C = self.x_proj(u.transpose(1, 2)).split(sizes, dim=-1)
        if hasattr(self, "dt_layernorm"):
            normed = self.dt_layernorm(dt), self.b_layernorm(B), self.c_layernorm(C)
            # under autocast the norms answer in the type of their weights
            dt, B, C = (part.to(u.dtype) for part in normed)
        if hasattr(self, "further"):
            B, C = self.further.maps(u.transpose(1, 2), B, C)
        # the bias is added in the scan, in float32, as the fused kernels do
        delta = linear_without_bias(self.dt_proj, dt)
        return delta.transpose(1, 2), B.transpose(1, 2), C.transpose(1, 2)


def _with_zeros(state: Tensor | None, d_state: int) -> Tensor | None:
    """A start of fewer states than there are, which further states know nothing of."""
    return state if state is None else F.pad(state, (0, d_state - state.shape[-1]))


def _state_rows(mixer: nn.Module, which: int) -> slice:
    start = mixer.time_step_rank + which * mixer.ssm_state_size
    return slice(start, start + mixer.ssm_state_size)
