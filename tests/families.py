"""Tiny models with random weights of every family, and the contracts that all of them are put through."""

from __future__ import annotations

import copy
from functools import cache

import torch
from torch import nn

from ssmpeft_lib.checkup.tiny import SIZES, TOKENS, tiny

__all__ = ["FAMILIES", "MAIN", "SIZES", "TOKENS", "build", "ids", "logits", "shake"]

FAMILIES = tuple(SIZES)
MAIN = ("Mamba", "FalconMamba", "Mamba2", "Jamba")
"""Those that are tested with every method in every way; the others have the same mixers in another model."""


def build(family: str, **sizes) -> nn.Module:
    """A model in evaluation mode, the same at every call."""
    return copy.deepcopy(_built(family, **sizes))


@cache
def _built(family: str, **sizes) -> nn.Module:
    return shake(tiny(family, **sizes), 0.05)


def shake(model: nn.Module, by: float, seed: int = 1) -> nn.Module:
    """Move every floating-point parameter that is trainable, so that zeros and ones hide nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += by * torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
    return model


def ids(batch: int = 2, seq_len: int = 9) -> torch.Tensor:
    """Token ids without special tokens."""
    return torch.randint(2, 64, (batch, seq_len), generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def logits(model: nn.Module, tokens: torch.Tensor, **kwargs) -> torch.Tensor:
    return model(tokens, **kwargs).logits
