"""The ops under torch.vmap: the same as one call after another, whatever is mapped, with its gradients."""

from __future__ import annotations

import pytest
import torch
from ops_inputs import assert_close, need, outputs_and_gradients, scan_inputs, transposed
from torch import Tensor

from ssmpeft_lib.ops import causal_conv1d, selective_scan, ssd_scan

COUNT = 3


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def check(op, inputs: dict[str, Tensor], mapped: tuple[str, ...]) -> None:
    """Compare versions of the mapped inputs under vmap with a loop over them."""
    versions = {
        name: torch.stack([tensor.detach() * (1 + 0.1 * k) for k in range(COUNT)]) if name in mapped else tensor
        for name, tensor in inputs.items()
    }
    versions = {name: tensor.detach().requires_grad_() for name, tensor in versions.items()}
    in_dims = ({name: 0 if name in mapped else None for name in inputs},)

    def together(**tensors):
        return torch.vmap(lambda given: op(**given), in_dims)(tensors)

    def one_by_one(**tensors):
        each = [op(**{n: t[k] if n in mapped else t for n, t in tensors.items()}) for k in range(COUNT)]
        return tuple(torch.stack(outputs) for outputs in zip(*each, strict=True))

    assert_close(outputs_and_gradients(together, versions), outputs_and_gradients(one_by_one, versions), 1e-12)


ROWS = ("u", "delta", "B", "C", "z")


@pytest.mark.parametrize("backend", ["cpp", "torch"])
@pytest.mark.parametrize(
    "mapped", [ROWS, ("u",), (*ROWS, "initial_state"), ("initial_state",), ("A",), (*ROWS, "A", "D", "delta_bias")]
)
def test_the_selective_scan(backend, mapped):
    backend = need(backend)

    def op(**inputs):
        return selective_scan(**inputs, delta_softplus=True, return_last_state=True, backend=backend)

    check(op, scan_inputs(2, 5, 3, 7), mapped)


@pytest.mark.parametrize("backend", ["cpp", "torch"])
@pytest.mark.parametrize("mapped", [("x",), ("weight",), ("bias",), ("x", "weight", "bias", "initial_columns")])
def test_the_convolution(backend, mapped):
    backend = need(backend)
    inputs = {
        "x": transposed(2, 5, 7),
        "weight": torch.randn(5, 4, dtype=torch.float64),
        "bias": torch.randn(5, dtype=torch.float64),
        "initial_columns": torch.randn(1, 5, 3, dtype=torch.float64),
    }
    check(lambda **given: (causal_conv1d(**given, backend=backend),), inputs, mapped)


@pytest.mark.parametrize("mapped", [("x", "delta", "B", "C"), ("initial_state",), ("x", "A", "delta_bias")])
def test_the_scan_of_mamba2(mapped):
    inputs = {
        "x": torch.randn(2, 7, 4, 3, dtype=torch.float64),
        "delta": torch.randn(2, 7, 4, dtype=torch.float64),
        "A": -torch.rand(4, dtype=torch.float64),
        "B": torch.randn(2, 7, 2, 5, dtype=torch.float64),
        "C": torch.randn(2, 7, 2, 5, dtype=torch.float64),
        "delta_bias": torch.randn(4, dtype=torch.float64),
        "initial_state": torch.randn(1, 4, 3, 5, dtype=torch.float64),
    }

    def op(**given):
        return ssd_scan(**given, delta_softplus=True, delta_limit=(0.0, 4.0), return_last_state=True, chunk=4)

    check(op, inputs, mapped)


def test_the_layout_that_is_fast_is_kept():
    x, weight = transposed(2, 5, 7).expand(COUNT, -1, -1, -1), torch.randn(COUNT, 5, 4, dtype=torch.float64)
    for in_dims in ((0, None), (None, 0)):
        given = [tensor if dim == 0 else tensor[0] for tensor, dim in zip((x, weight), in_dims, strict=True)]
        y = torch.vmap(causal_conv1d, in_dims)(*given)
        assert y.stride(-2) == 1


def test_an_error_is_that_of_the_op():
    with pytest.raises(ValueError, match="causal_conv1d: weight has shape"):
        torch.vmap(causal_conv1d, (0, None))(torch.randn(COUNT, 2, 5, 7), torch.randn(4, 4))
