"""SSD, the scan of Mamba-2: transformers' mamba2, bamba, zamba2, falcon_h1, granitemoehybrid and nemotron_h.

transformers' own forward reads `conv1d.weight` on every path, and the weights of out_proj and of the gated norm where
the fused kernel is installed, so that an adapter on those modules is skipped.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..adapters.inputs.starts import Start
from ..adapters.mixed_class import mix_in, take_out
from ..adapters.padding import in_front, place_columns
from ..adapters.slots import SlotSpec
from ..compat.transformers import recurrent_state
from ..ops import ssd_scan, ssd_state_step
from ._cache import remember
from ._forward import MixerForward

SLOTS = {
    "in_proj_z": SlotSpec("in_proj.weight", rows=lambda m: _rows(m, 0)),
    "in_proj_x": SlotSpec("in_proj.weight", rows=lambda m: _rows(m, 1)),
    "in_proj_B": SlotSpec("in_proj.weight", rows=lambda m: _rows(m, 2), state_axis=0, channel_axis=1),
    "in_proj_C": SlotSpec("in_proj.weight", rows=lambda m: _rows(m, 3), state_axis=0, channel_axis=1),
    "in_proj_dt": SlotSpec("in_proj.weight", rows=lambda m: _rows(m, 4)),
    "conv1d": SlotSpec("conv1d.weight"),
    "conv1d_bias": SlotSpec("conv1d.bias"),
    "dt_bias": SlotSpec("dt_bias"),
    "A_log": SlotSpec("A_log"),
    "D": SlotSpec("D"),
    "gated_norm": SlotSpec("norm.weight"),
    "out_proj": SlotSpec("out_proj.weight"),
    "in_proj_bias": SlotSpec("in_proj.bias"),
    "out_proj_bias": SlotSpec("out_proj.bias"),
    "norm": SlotSpec(("norm.weight", "input_layernorm.weight"), owner="block"),
    "norm_f": SlotSpec(("norm_f.weight", "final_layernorm.weight", "norm.weight"), owner="backbone"),
}

GROUPS = {
    "in_proj": ("in_proj_z", "in_proj_x"),
    "linear": ("in_proj_z", "in_proj_x", "out_proj"),
    "ssm": ("in_proj_B", "in_proj_C", "in_proj_dt", "conv1d", "conv1d_bias", "dt_bias", "A_log", "D"),
    "bias": ("conv1d_bias", "dt_bias"),
    "dynamics": ("A_log",),
    "maps": ("in_proj_B", "in_proj_C"),
    "columns": (),
    "warmup": ("in_proj_B", "in_proj_C"),
    "all": tuple(SLOTS),
}


def matches(module: nn.Module) -> bool:
    """Whether a module is an SSD mixer, judged by the parameters that it holds."""
    return all(hasattr(module, name) for name in ("in_proj", "conv1d", "dt_bias", "A_log", "D", "norm", "out_proj"))


def install(mixer: nn.Module) -> None:
    """Give a transformers mixer the forward of this module."""
    mix_in(mixer, SSDForward)


def uninstall(mixer: nn.Module) -> None:
    """Give the mixer its own forward back."""
    take_out(mixer, SSDForward)


class SSDForward(MixerForward):
    """The forward of an SSD mixer; mixed into transformers' class by `install`."""

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """Shape of the scan's state for one sequence: (heads, head_dim, d_state)."""
        return self.num_heads, self.head_dim, self.ssm_state_size

    @property
    def columns_shape(self) -> tuple[int, int]:
        """Shape of what the convolution over x, B and C remembers of one sequence: (conv_dim, d_conv - 1)."""
        return self.conv_dim, self.conv_kernel_size - 1

    @property
    def prefix_width(self) -> int:
        """Size of a prefix vector: x, B, C and dt as they leave in_proj."""
        return self.conv_dim + self.num_heads

    @property
    def output_shape(self) -> tuple[int, int]:
        """Shape of the scan's output for one token: (heads, head_dim)."""
        return self.num_heads, self.head_dim

    def behind_in_proj(self, tokens: Tensor) -> Tensor:
        """What tokens [count, d_model] become as a prefix, [count, prefix_width]; their gates are of no use."""
        return torch.cat(self._project(tokens[None])[1:], dim=-1)[0]

    def start_after(self, prefix: Tensor) -> Start:
        """What the mixer holds after a prefix that enters behind in_proj, [prefix_len, prefix_width]."""
        xBC, dt = prefix[None].split([self.conv_dim, self.num_heads], dim=-1)
        columns = xBC.transpose(1, 2)
        x, B, C = self._selective(self._convolved(columns, None))
        width = self.conv_kernel_size - 1
        inputs = (x, dt, self._A(), B, C, None, self.dt_bias, True, self.time_step_limit)
        _, state = ssd_scan(*inputs, return_last_state=True)
        return Start(state, F.pad(columns, (width, 0))[..., -width:])

    def _project(self, hidden_states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # falcon_h1 scales what enters and what leaves the projection
        projected = self.in_proj(hidden_states * getattr(self, "ssm_in_multiplier", 1.0))
        projected = projected * getattr(self, "mup_vector", 1.0)
        return projected.split([self.intermediate_size, self.conv_dim, self.num_heads], dim=-1)

    def _scan(
        self,
        streams: tuple[Tensor, ...],
        start: Start,
        mask: Tensor | None,
        cache_params,
        documents: Tensor | None = None,
    ) -> Tensor:
        z, xBC, delta = streams
        xBC = xBC.transpose(1, 2)
        columns = None if start.columns is None else start.columns.to(xBC.dtype)
        if columns is not None and start.first is not None:
            xBC, columns = place_columns(xBC, columns, start.first)
        convolved = self._convolved(xBC, columns, documents)
        bias, limit = self.dt_bias, self.time_step_limit
        if mask is not None:
            convolved = convolved * mask[:, None].to(convolved.dtype)
        if start.first is not None:
            # here and not in the scan, whose lower limit would let the padding in front move the state
            delta = F.softplus(delta + bias).clamp(*limit).to(delta.dtype)
            delta = delta.masked_fill(in_front(start.first, delta.shape[1])[..., None], 0.0)
            bias, limit = None, (0.0, torch.inf)
        x, B, C = self._selective(convolved)
        inputs = (x, delta, self._A(), B, C, self.D, bias, start.first is None, limit, start.state)
        y, state = ssd_scan(*inputs, return_last_state=True, chunk=self.chunk_size, seq_idx=documents)
        if cache_params is not None:
            remember(cache_params, self.layer_idx, xBC, columns, self.conv_kernel_size, state)
        return self._gated(self._with_offset(y, C).flatten(2), z)

    def _step(self, streams: tuple[Tensor, ...], layer) -> Tensor:
        z, xBC, dt = (stream[:, 0] for stream in streams)
        convolved = self._convolved_step(xBC, self._columns(layer))
        x, B, C = (part[:, 0] for part in self._selective(convolved[..., None]))
        state = recurrent_state(layer)
        y = ssd_state_step(state, x, dt, self._A(), B, C, self.D, self.dt_bias, True, self.time_step_limit)
        return self._gated(self._with_offset(y, C).flatten(1), z)[:, None]

    def _with_offset(self, y: Tensor, C: Tensor) -> Tensor:
        """The output y [..., heads, head_dim] with a learned offset, read by C [..., groups, d_state] as the state is.

        The gate and the gated norm come behind, so that they act on what is read from the state and the offset alike.
        """
        offset = self._learned_offset()
        if offset is None:
            return y
        if offset.output is not None:
            y = y + offset.output.to(y.dtype)
        if offset.state is not None:
            grouped = offset.state.unflatten(0, (self.n_groups, -1))
            read = torch.einsum("...gn,ghpn->...ghp", C.to(grouped.dtype), grouped)
            y = y + read.flatten(-3, -2).to(y.dtype)
        return y

    def _selective(self, convolved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [batch, seq_len, heads, head_dim]; B and C [batch, seq_len, groups, d_state]."""
        maps = self.n_groups * self.ssm_state_size
        x, B, C = convolved.transpose(1, 2).split([self.intermediate_size, maps, maps], dim=-1)
        return (
            x.unflatten(-1, (self.num_heads, self.head_dim)),
            B.unflatten(-1, (self.n_groups, self.ssm_state_size)),
            C.unflatten(-1, (self.n_groups, self.ssm_state_size)),
        )

    def _gated(self, y: Tensor, z: Tensor) -> Tensor:
        # falcon_h1 may leave the norm out, but not the gate
        return y * F.silu(z) if isinstance(self.norm, nn.Identity) else self.norm(y, z)


def _rows(mixer: nn.Module, part: int) -> slice:
    maps = mixer.n_groups * mixer.ssm_state_size
    sizes = [mixer.intermediate_size, mixer.intermediate_size, maps, maps, mixer.num_heads]
    return slice(sum(sizes[:part]), sum(sizes[: part + 1]))
