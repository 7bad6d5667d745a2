"""S4D: one diagonal state space model for each channel, and the deep S4 layer built on it (paper, eq. (4)).

Glossary: `d_model` (the paper's D) channels, `d_state` (H) states a channel, `seq_len` (N) steps. Tensors are
`[batch, seq_len, d_model]`. Parameter names are those of the authors' checkpoints:
`kernel.C`, `kernel.log_dt`, `kernel.log_A_real`, `kernel.A_imag`, `D`, `output_linear`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CHOICES = {
    "domain": ("complex", "real"),
    "discretization": ("zoh", "bilinear"),
    "residual": ("before_projection", "after_projection"),
    "activation": ("relu", "identity"),
    "init": ("linear", "random"),
    "form": ("convolution", "recurrence", "scan"),
}


@dataclass(frozen=True)
class S4DConfig:
    """What a deep S4 layer looks like. The defaults are the authors' released layer.

    Attributes:
        d_model, d_state: channels, and states of each channel. A complex state stands for itself and its conjugate.
        domain: `complex` (the released code) or `real` (Lemmas 3 to 9).
        discretization: `zoh` (the released code) or `bilinear`, eq. (17).
        residual: where the residual enters. Eq. (4) has `after_projection`, act(W S4(x) + bias + D x);
            the released code has `before_projection`, act(W (S4(x) + D x) + bias). No choice of W makes them equal.
        activation: `relu`, or `identity` for the theorems, which assume linear activations.
        init: `linear` is S4D-Lin, A_h = -1/2 + i pi h; `random` draws -Re(A) from (0, 1) and Im(A) from pi {0..d_state-1}.
        input_vector: True gives every state its own B. The released code fixes B = 1, as tuning C does the same (Sec. 5.2).
    """

    d_model: int = 64
    d_state: int = 16
    domain: str = "complex"
    discretization: str = "zoh"
    residual: str = "before_projection"
    activation: str = "relu"
    init: str = "linear"
    input_vector: bool = False

    def __post_init__(self) -> None:
        for name in ("domain", "discretization", "residual", "activation", "init"):
            check_choice(name, getattr(self, name))


def check_choice(name: str, value: str) -> str:
    """Return `value`, or raise a ValueError that lists what the option `name` may be."""
    if value not in CHOICES[name]:
        raise ValueError(f"S4D: {name} {value!r} is not one of {', '.join(CHOICES[name])}")
    return value


def discretize(A: Tensor, dt: Tensor, discretization: str) -> tuple[Tensor, Tensor]:
    """Discrete transition and input factor of a diagonal system (eq. (17)).

    Args:
        A: continuous transition, [d_model, d_state]; dt: step sizes, [d_model].
    Returns:
        log of A_bar, and B_bar / B, both [d_model, d_state]. The log is complex, as A_bar may be negative.
    """
    z = A * dt[..., None]
    if discretization == "zoh":
        return z + 0j, torch.expm1(z) / A
    return torch.log((1 + z / 2) / (1 - z / 2) + 0j), dt[..., None] / (1 - z / 2)


def geometric_sum(coefficients: Tensor, log_ratios: Tensor, seq_len: int) -> Tensor:
    """Re sum_h c_h exp(l r_h) for l = 0 .. seq_len - 1, from [..., d_state] to [..., seq_len]."""
    powers = torch.exp(log_ratios[..., None] * torch.arange(seq_len, device=log_ratios.device))
    return torch.einsum("...h,...hl->...l", coefficients + 0j, powers).real


def fft_convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """Causal convolution along the sequence of `x` [batch, seq_len, d_model] with `kernel` [d_model, seq_len]."""
    size = 2 * x.shape[-2]
    product = torch.fft.rfft(x.mT, n=size) * torch.fft.rfft(kernel, n=size)
    return torch.fft.irfft(product, n=size)[..., : x.shape[-2]].mT


class S4DKernel(nn.Module):
    """Parameters of the state space models of one layer, and their convolution kernels."""

    def __init__(self, config: S4DConfig, dt_min: float = 0.001, dt_max: float = 0.1) -> None:
        super().__init__()
        self.config = config
        shape = (config.d_model, config.d_state)
        is_complex = config.domain == "complex"
        self.log_dt = nn.Parameter(torch.rand(config.d_model) * math.log(dt_max / dt_min) + math.log(dt_min))
        self.C = nn.Parameter(torch.view_as_real(torch.randn(shape, dtype=torch.cfloat)) if is_complex else torch.randn(shape))
        self.log_A_real = nn.Parameter(torch.log(torch.full(shape, 0.5) if config.init == "linear" else torch.rand(shape)))
        if config.input_vector:
            self.B = nn.Parameter(torch.ones(shape))
        if is_complex:
            states = torch.arange(config.d_state).expand(shape)
            drawn = torch.randint(0, config.d_state, shape)
            self.A_imag = nn.Parameter(math.pi * (states if config.init == "linear" else drawn))

    def continuous(self) -> tuple[Tensor, Tensor | float, Tensor]:
        """The paper's A, B and C. C counts a complex state and its conjugate, so that outputs are real parts of sums."""
        A, C = -torch.exp(self.log_A_real), self.C
        if self.config.domain == "complex":
            A, C = torch.complex(A, self.A_imag), 2 * torch.view_as_complex(C)
        return A, self.B if self.config.input_vector else 1.0, C

    def discrete(self) -> tuple[Tensor, Tensor, Tensor]:
        """log A_bar, B_bar and C, each [d_model, d_state]."""
        A, B, C = self.continuous()
        log_A_bar, factor = discretize(A, torch.exp(self.log_dt), self.config.discretization)
        return log_A_bar, factor * B, C

    def forward(self, seq_len: int) -> Tensor:
        """The convolution kernel C A_bar^l B_bar of eq. (3), [d_model, seq_len]."""
        log_A_bar, B_bar, C = self.discrete()
        return geometric_sum(C * B_bar, log_A_bar, seq_len)

    def response(self, initial_state: Tensor, seq_len: int) -> Tensor:
        """What `initial_state` [..., d_model, d_state] adds to the outputs: C A_bar^n h_0, [..., seq_len, d_model]."""
        log_A_bar, _, C = self.discrete()
        return geometric_sum(C * torch.exp(log_A_bar) * initial_state, log_A_bar, seq_len).mT


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
            initial_state: h_0, [d_model, d_state] or [batch, d_model, d_state]; None for zero.
            form: `convolution`, `recurrence` (a loop over steps) or `scan` (a parallel prefix sum); equal up to rounding.
        """
        return self.project(x, self.ssm(x, initial_state, check_choice("form", form)))

    def ssm(self, x: Tensor, initial_state: Tensor | None = None, form: str = "convolution") -> Tensor:
        """The state space models alone, S4(x) of eq. (3)."""
        if form == "convolution":
            y = fft_convolve(x, self.kernel(x.shape[-2]))
            return y if initial_state is None else y + self.kernel.response(initial_state, x.shape[-2])
        log_A_bar, B_bar, C = self.kernel.discrete()
        driven = (B_bar * x[..., None]).to(log_A_bar.dtype)
        if initial_state is not None:
            first = driven[..., :1, :, :] + (torch.exp(log_A_bar) * initial_state)[..., None, :, :]
            driven = torch.cat([first, driven[..., 1:, :, :]], dim=-3)
        states = recurrence(driven, log_A_bar) if form == "recurrence" else prefix_scan(driven, log_A_bar)
        return (C * states).real.sum(-1)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step of generation: `x` [batch, d_model] and the state [batch, d_model, d_state] give output and new state."""
        log_A_bar, B_bar, C = self.kernel.discrete()
        state = torch.exp(log_A_bar) * state + B_bar * x[..., None]
        return self.project(x, (C * state).real.sum(-1)), state

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Residual, linear layer and activation around the outputs `y` of the state space models."""
        if self.config.residual == "before_projection":
            y = self.output_linear(y + self.D * x)
        else:
            y = self.output_linear(y) + self.D * x
        return torch.relu(y) if self.config.activation == "relu" else y


def recurrence(driven: Tensor, log_A_bar: Tensor) -> Tensor:
    """States h_n = A_bar h_(n-1) + driven_n by a loop over the steps, [batch, seq_len, d_model, d_state]."""
    A_bar = torch.exp(log_A_bar)
    states = [driven[..., 0, :, :]]
    for step in range(1, driven.shape[-3]):
        states.append(A_bar * states[-1] + driven[..., step, :, :])
    return torch.stack(states, dim=-3)


def prefix_scan(driven: Tensor, log_A_bar: Tensor) -> Tensor:
    """The states of `recurrence` in log2(seq_len) parallel passes: pass k adds the state 2^k steps back."""
    shift = 1
    while shift < driven.shape[-3]:
        carried = torch.exp(shift * log_A_bar) * driven[..., :-shift, :, :]
        driven = torch.cat([driven[..., :shift, :, :], driven[..., shift:, :, :] + carried], dim=-3)
        shift *= 2
    return driven
