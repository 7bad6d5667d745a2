"""The parametrisations of Sec. D.3 on a deep S4, and two shortcuts that leave its outputs as they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from ssmpeft_lib.mixers.s4d import S4DKernel
from ssmpeft_lib.ops import fft_conv, s4d_kernel


class LowRank(nn.Module):
    """weight + B A with rank-r factors, complex ones for a weight [rows, columns, 2] that holds complex numbers.

    Args:
        linear: start as LoRA on a linear layer does, A uniform and B zero; otherwise as the released code does on the
            parameters of S4: A normal and B zero.
    """

    def __init__(self, weight: Tensor, rank: int, linear: bool) -> None:
        super().__init__()
        rows, columns, *parts = weight.shape
        self.complex = bool(parts)
        self.B = nn.Parameter(torch.zeros(rows, rank, *parts))
        A = torch.empty(rank, columns, *parts)
        bound = 1 / math.sqrt(columns)
        # a complex normal number has its unit variance split between its two parts
        self.A = nn.Parameter(A.uniform_(-bound, bound) if linear else A.normal_(std=0.5**0.5 if parts else 1.0))

    def forward(self, weight: Tensor) -> Tensor:
        if not self.complex:
            return weight + self.B @ self.A
        return weight + torch.view_as_real(torch.view_as_complex(self.B) @ torch.view_as_complex(self.A))


class Sparse(nn.Module):
    """weight + a trained offset at the entries of `mask`, whose dimensions are the leading ones of the weight."""

    def __init__(self, weight: Tensor, mask: Tensor) -> None:
        super().__init__()
        entries = mask.reshape(*mask.shape, *[1] * (weight.dim() - mask.dim())).expand_as(weight)
        self.register_buffer("index", entries.flatten().nonzero().squeeze(1))
        self.delta = nn.Parameter(torch.zeros(len(self.index)))

    def forward(self, weight: Tensor) -> Tensor:
        offset = torch.zeros_like(weight).flatten().scatter(0, self.index, self.delta)
        return weight + offset.view_as(weight)


def add_low_rank(module: nn.Module, name: str, rank: int, linear: bool = False) -> None:
    """Give a parameter of `module` a low-rank update."""
    register_parametrization(module, name, LowRank(getattr(module, name), rank, linear))


def add_sparse(module: nn.Module, name: str, mask: Tensor) -> None:
    """Give a parameter of `module` a trained offset at the entries of `mask`."""
    register_parametrization(module, name, Sparse(getattr(module, name), mask))


class FixedKernel(nn.Module):
    """Stands in for an S4DKernel that nothing trains: its convolution kernel is computed once."""

    def __init__(self, kernel: S4DKernel, seq_len: int) -> None:
        super().__init__()
        self.register_buffer("values", kernel.convolution_kernel(seq_len).detach())

    def forward(self, x: Tensor, initial_state: None, form: str) -> Tensor:
        """Outputs for x [batch, seq_len, d_model], in its shape; always from a zero state and as a convolution."""
        return fft_conv(x.mT, self.values).mT


class PrunedKernel(nn.Module):
    """Stands in for an S4DKernel whose C is zero but for the same number of states in a few channels.

    Args:
        alive: bool [d_model, d_state], True where C may be nonzero.
    """

    def __init__(self, kernel: S4DKernel, alive: Tensor) -> None:
        super().__init__()
        self.kernel = kernel
        channels = alive.any(1).nonzero().squeeze(1)
        self.register_buffer("channels", channels)
        # picking and placing channels as products with 0 and 1 stacks well; indexing runs model by model under vmap
        self.register_buffer("pick", torch.eye(len(alive))[:, channels])
        self.register_buffer("states", alive[channels].nonzero()[:, 1].view(len(channels), -1))

    def forward(self, x: Tensor, initial_state: None, form: str) -> Tensor:
        """Outputs for x [batch, seq_len, d_model], in its shape; always from a zero state and as a convolution."""
        log_A_bar, B_bar, C = (part[self.channels[:, None], self.states] for part in self.kernel.discrete())
        y = fft_conv((x @ self.pick).mT, s4d_kernel(log_A_bar, C * B_bar, x.shape[-2])).mT
        return y @ self.pick.mT
