"""S4D: one diagonal state space model for each channel, and the deep S4 layer built on it (paper, eq. (4)).

Glossary: `d_model` (the paper's D) channels, `d_state` (H) states a channel, `seq_len` (N) steps. Sequences are
`[batch, seq_len, d_model]`. Parameter names are those of the authors' checkpoints:
`kernel.C`, `kernel.log_dt`, `kernel.log_A_real`, `kernel.A_imag`, `D`, `output_linear`.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from ..adapters.attach import HALF
from ..adapters.inputs.offsets import Offset
from ..adapters.inputs.starts import Start
from ..adapters.slots import SlotSpec
from ..ops import discretize, fft_conv, s4d_kernel, s4d_step
from ._s4d_config import S4DConfig, check_choice
from ._s4d_forms import prefix_scan, read_out, recurrence
from ._s4d_ranking import SLIPS, change_of, importance_of

__all__ = ["S4D", "S4DConfig", "S4DKernel"]

SLOTS = {
    "C": SlotSpec("kernel.C", channel_axis=0, state_axis=1, silent=0.0, complex_pairs=True),
    "B": SlotSpec("kernel.B", channel_axis=0, state_axis=1),
    "log_A_real": SlotSpec("kernel.log_A_real", channel_axis=0, state_axis=1),
    "A_imag": SlotSpec("kernel.A_imag", channel_axis=0, state_axis=1),
    "log_dt": SlotSpec("kernel.log_dt", channel_axis=0),
    "D": SlotSpec("D", channel_axis=0),
    "output_linear": SlotSpec("output_linear.weight", channel_axis=1),
    "output_linear_bias": SlotSpec("output_linear.bias"),
    "norm": SlotSpec("norms.{layer}.weight", owner="backbone"),
    "norm_bias": SlotSpec("norms.{layer}.bias", owner="backbone"),
    "encoder": SlotSpec("encoder.weight", owner="backbone"),
    "encoder_bias": SlotSpec("encoder.bias", owner="backbone"),
    "decoder": SlotSpec("decoder.weight", owner="backbone"),
    "decoder_bias": SlotSpec("decoder.bias", owner="backbone"),
}

GROUPS = {
    "linear": ("output_linear",),
    "out_proj": ("output_linear",),
    "ssm": ("C", "B", "log_A_real", "A_imag", "log_dt", "D"),
    "bias": ("output_linear_bias", "encoder_bias", "decoder_bias"),
    "dynamics": ("log_A_real", "A_imag", "log_dt"),
    "maps": ("C",),
    "columns": ("output_linear",),
    "warmup": tuple(SLOTS),
    # what the released code trains in every run beside the method
    "periphery": ("D", "output_linear_bias", *(name for name in SLOTS if SLOTS[name].owner == "backbone")),
    "all": tuple(SLOTS),
}


def matches(module: nn.Module) -> bool:
    """Whether a module is a deep S4 layer."""
    return isinstance(module, S4D)


def ranks(mixer: S4D, frozen: SimpleNamespace, warmed: SimpleNamespace, rule: str) -> tuple[Tensor, Tensor]:
    """Squared change of A and the magnitude that silencing goes by, each [d_model, d_state] (Algorithm 1).

    Args:
        mixer: whose values they are.
        frozen, warmed: values of the slots before and after the warm-up.
        rule: `paper`, or `upstream` for the released code with its two slips.
    """
    slips = SLIPS if rule == "upstream" else ()
    importance, lag = ("kernel", mixer.config.released_lag) if rule == "upstream" else ("transition", 1)
    magnitude = importance_of(warmed, importance, lag, slips)
    return change_of(frozen, warmed, slips).square().sum(-1), magnitude


class S4DKernel(nn.Module):
    """The state space models of one layer, S4(x) of eq. (3)."""

    def __init__(self, config: S4DConfig, dt_min: float = 0.001, dt_max: float = 0.1) -> None:
        super().__init__()
        self.config = config
        shape = (config.d_model, config.d_state)
        linear, is_complex = config.init == "linear", config.domain == "complex"
        self.log_dt = nn.Parameter(torch.rand(config.d_model) * math.log(dt_max / dt_min) + math.log(dt_min))
        C = torch.view_as_real(torch.randn(shape, dtype=torch.cfloat)) if is_complex else torch.randn(shape)
        self.C = nn.Parameter(C)
        self.log_A_real = nn.Parameter(torch.log(torch.full(shape, 0.5) if linear else torch.rand(shape)))
        if is_complex:
            drawn = torch.randint(0, config.d_state, shape)
            self.A_imag = nn.Parameter(math.pi * (torch.arange(config.d_state).expand(shape) if linear else drawn))
        if config.input_vector:
            self.B = nn.Parameter(torch.ones(shape))

    def continuous(self) -> tuple[Tensor, Tensor | float, Tensor]:
        """The paper's A, B and C, each [d_model, d_state] (B is 1.0 without an input vector)."""
        A, C = -torch.exp(self.log_A_real), self.C
        if self.config.domain == "complex":
            A, C = torch.complex(A, self.A_imag), torch.view_as_complex(C)
        elif self.config.discretization == "bilinear":
            # A_bar may be negative, and its logarithm complex; half of C and its conjugate make the whole
            A, C = A + 0j, C / 2
        return A, self.B if self.config.input_vector else 1.0, C

    def discrete(self) -> tuple[Tensor, Tensor, Tensor]:
        """log A_bar, B_bar and C, each [d_model, d_state]."""
        A, B, C = self.continuous()
        log_A_bar, B_bar = discretize(A, torch.exp(self.log_dt), self.config.discretization)
        return log_A_bar, B_bar * B, C

    def convolution_kernel(self, seq_len: int) -> Tensor:
        """C A_bar^l B_bar for the lags l = 0 .. seq_len - 1, [d_model, seq_len]."""
        log_A_bar, B_bar, C = self.discrete()
        return s4d_kernel(log_A_bar, C * B_bar, seq_len)

    def response(self, initial_state: Tensor, seq_len: int) -> Tensor:
        """What h_0 [..., d_model, d_state] adds to the outputs: C A_bar^n h_0, [..., seq_len, d_model]."""
        log_A_bar, _, C = self.discrete()
        weights = (C * torch.exp(log_A_bar) * initial_state).to(log_A_bar.dtype)
        log_A_bar = log_A_bar.expand_as(weights)
        responses = s4d_kernel(log_A_bar.flatten(0, -2), weights.flatten(0, -2), seq_len)
        return responses.unflatten(0, weights.shape[:-1]).mT

    def forward(self, x: Tensor, initial_state: Tensor | None = None, form: str = "convolution") -> Tensor:
        """Outputs [batch, seq_len, d_model] for `x` of the same shape; see `S4D.forward`."""
        if check_choice("form", form) == "convolution":
            y = fft_conv(x.mT, self.convolution_kernel(x.shape[-2])).mT
            return y if initial_state is None else y + self.response(initial_state, x.shape[-2])
        log_A_bar, B_bar, C = self.discrete()
        driven = (B_bar * x[..., None]).to(log_A_bar.dtype)
        if initial_state is not None:
            first = driven[..., :1, :, :] + (torch.exp(log_A_bar) * initial_state)[..., None, :, :]
            driven = torch.cat([first.expand_as(driven[..., :1, :, :]), driven[..., 1:, :, :]], dim=-3)
        states = recurrence(driven, log_A_bar) if form == "recurrence" else prefix_scan(driven, log_A_bar)
        return read_out(states, C)

    def new_state(self, batch: int) -> Tensor:
        """A zero state for `step`, [batch, d_model, d_state]."""
        log_A_bar = self.discrete()[0]
        return log_A_bar.new_zeros(batch, *log_A_bar.shape)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """One step of generation: outputs for `x` [batch, d_model]. `state` is updated in place, without gradients."""
        log_A_bar, B_bar, C = self.discrete()
        return s4d_step(state, x, torch.exp(log_A_bar), B_bar, C)


class S4D(nn.Module):
    """A deep S4 layer (eq. (4)); `S4DConfig` says in which of the paper's and the authors' ways."""

    def __init__(self, config: S4DConfig) -> None:
        super().__init__()
        self.config = config
        self.kernel = S4DKernel(config)
        self.D = nn.Parameter(torch.randn(config.d_model))
        self.output_linear = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor, initial_state: Tensor | None = None, form: str = "convolution") -> Tensor:
        """Outputs for `x` [batch, seq_len, d_model].

        Args:
            initial_state: h_0, [d_model, d_state] or [batch, d_model, d_state]; None for a learned one where there is
                one, else zero.
            form: `convolution`, `recurrence` (a loop over steps) or `scan` (a parallel prefix sum); equal up to
                rounding.
        Raises:
            ValueError: another form, or weights of half precision.
        """
        if self.D.dtype in HALF:
            raise ValueError(f"a deep S4 layer needs complex numbers, which {self.D.dtype} lacks; call .float()")
        start = self.start(x.dtype) if initial_state is None and hasattr(self, "start") else None
        if start is not None:
            initial_state = torch.view_as_complex(start.state) if start.state.dim() == 4 else start.state
        return self.project(x, self.kernel(x, initial_state, form))

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of a learned initial state: (d_model, d_state), and 2 for the parts of a complex one."""
        return tuple(self.kernel.C.shape)

    @property
    def columns_shape(self) -> tuple[int, int]:
        """There is no convolution in front of the state space models that remembers inputs."""
        return self.config.d_model, 0

    @property
    def prefix_width(self) -> int:
        """Size of a prefix vector: one number a channel."""
        return self.config.d_model

    @property
    def output_shape(self) -> tuple[int]:
        """Shape of the state space models' output for one step: (d_model,)."""
        return (self.config.d_model,)

    @property
    def model_width(self) -> int:
        """Size of what goes into the layer and comes out: d_model."""
        return self.config.d_model

    def behind_in_proj(self, tokens: Tensor) -> Tensor:
        """Tokens [count, d_model] as they enter the state space models: there is no projection in front of them."""
        return tokens

    def start_after(self, prefix: Tensor) -> Start:
        """The state after a prefix [prefix_len, d_model] that enters the state space models (Proposition 5)."""
        log_A_bar, B_bar, _ = self.kernel.discrete()
        state = prefix_scan((B_bar * prefix[..., None]).to(log_A_bar.dtype), log_A_bar)[-1:]
        return Start(torch.view_as_real(state) if self.config.domain == "complex" else state.real)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """One step of generation, as in `S4DKernel.step`."""
        return self.project(x, self.kernel.step(x, state))

    def _added(self, offset: Offset) -> Tensor | float:
        """What an offset adds to the outputs of every step, [d_model]: C is the same at every step."""
        added = 0.0 if offset.output is None else offset.output
        if offset.state is None:
            return added
        state = torch.view_as_complex(offset.state) if offset.state.dim() == 3 else offset.state
        return added + read_out(state, self.kernel.continuous()[2])

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Residual, linear layer and activation around the outputs `y` of the state space models."""
        offset = self.offset() if hasattr(self, "offset") else None
        if offset is not None:
            y = y + self._added(offset)
        if self.config.residual == "before_projection":
            y = self.output_linear(y + self.D * x)
        else:
            y = self.output_linear(y) + self.D * x
        y = torch.relu(y) if self.config.activation == "relu" else y
        return y + self.beside(x) if hasattr(self, "beside") else y
