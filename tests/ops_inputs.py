"""Inputs and comparisons that the tests of the ops share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ssmpeft_lib import ops


def need(backend: str) -> str:
    """`backend`, or a skip where it cannot run here."""
    status = ops.backends()[backend]
    if not status.available:
        pytest.skip(f"the {backend} backend cannot run here: {status.detail}")
    return backend


def transposed(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random (batch, channels, seq_len) tensor whose memory is in the order (batch, seq_len, channels)."""
    batch, channels, seq_len = shape
    return torch.randn(batch, seq_len, channels, dtype=dtype).transpose(1, 2)


def scan_inputs(batch: int, d_inner: int, d_state: int, seq_len: int, dtype: torch.dtype = torch.float64) -> dict:
    """Every tensor that `selective_scan` takes, as leaves that want a gradient, one initial state for all sequences."""
    parameters = torch.float64 if dtype == torch.float64 else torch.float32
    tensors = {
        "u": transposed(batch, d_inner, seq_len, dtype=dtype),
        "delta": transposed(batch, d_inner, seq_len, dtype=dtype) - 1,
        "A": -torch.rand(d_inner, d_state, dtype=parameters) * 4,
        "B": transposed(batch, d_state, seq_len, dtype=dtype),
        "C": transposed(batch, d_state, seq_len, dtype=dtype),
        "D": torch.randn(d_inner, dtype=parameters),
        "z": transposed(batch, d_inner, seq_len, dtype=dtype),
        "delta_bias": torch.randn(d_inner, dtype=parameters),
        "initial_state": torch.randn(1, d_inner, d_state, dtype=parameters),
    }
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}


def outputs_and_gradients(function: Callable[..., tuple[Tensor, ...]], inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs of `function(**inputs)` and the gradients of a fixed random weighting of all of them."""
    outputs = function(**inputs)
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y.dtype) for y in outputs]
    gradients = torch.autograd.grad(outputs, list(inputs.values()), weights, allow_unused=True, materialize_grads=True)
    named = {f"output {index}": y.detach() for index, y in enumerate(outputs)}
    return named | {f"gradient of {name}": grad for name, grad in zip(inputs, gradients, strict=True)}


def assert_close(got: dict[str, Tensor], expected: dict[str, Tensor], bound: float) -> None:
    """Every tensor within `bound` of the expected one, relative to its largest entry."""
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        if tensor.numel():
            error = (got[name].double() - tensor.double()).abs().max() / tensor.double().abs().max().clamp(min=1e-30)
            assert error <= bound, f"{name}: relative error {error:.1e}, expected at most {bound:.1e}"
