"""The scan of Mamba-2: the chunked form against the recurrence, transformers and finite differences."""

from __future__ import annotations

from math import inf

import pytest
import torch
from ops_inputs import assert_close, outputs_and_gradients
from required import torch_compiles
from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan

from ssmpeft_lib.ops import ssd_scan

DOUBLE = torch.float64


def ssd_inputs(batch, seq_len, heads, head_dim, groups, d_state, dtype=DOUBLE) -> dict:
    parameters = DOUBLE if dtype == DOUBLE else torch.float32
    tensors = {
        "x": torch.randn(batch, seq_len, heads, head_dim, dtype=dtype),
        "delta": torch.randn(batch, seq_len, heads, dtype=dtype) - 1,
        "A": -torch.rand(heads, dtype=parameters) * 4,
        "B": torch.randn(batch, seq_len, groups, d_state, dtype=dtype),
        "C": torch.randn(batch, seq_len, groups, d_state, dtype=dtype),
        "D": torch.randn(heads, dtype=parameters),
        "delta_bias": torch.randn(heads, dtype=parameters),
        "initial_state": torch.randn(1, heads, head_dim, d_state, dtype=parameters),
    }
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}


def ssd(backend="torch", **options):
    def run(**inputs):
        return ssd_scan(**inputs, delta_softplus=True, return_last_state=True, backend=backend, **options)

    return run


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("heads, head_dim, groups, d_state", [(1, 1, 1, 1), (4, 3, 2, 5), (6, 8, 1, 16), (3, 4, 3, 2)])
@pytest.mark.parametrize("seq_len, chunk", [(1, 64), (2, 1), (16, 16), (17, 16), (33, 8), (40, 64)])
def test_equals_the_naive_form(heads, head_dim, groups, d_state, seq_len, chunk):
    inputs = ssd_inputs(2, seq_len, heads, head_dim, groups, d_state)
    expected = outputs_and_gradients(ssd("naive"), inputs)
    assert_close(outputs_and_gradients(ssd(chunk=chunk), inputs), expected, 1e-11)


def test_gradients_are_those_of_finite_differences():
    inputs = ssd_inputs(2, 5, 2, 2, 1, 3)
    run = ssd(chunk=2)
    tensors = [*inputs.values()]
    assert torch.autograd.gradcheck(lambda *given: run(**dict(zip(inputs, given, strict=True))), tensors)


@pytest.mark.parametrize("missing", ["D", "delta_bias", "initial_state"])
def test_each_optional_input_may_be_missing(missing):
    inputs = ssd_inputs(2, 9, 4, 3, 2, 5)
    del inputs[missing]
    assert_close(outputs_and_gradients(ssd(chunk=4), inputs), outputs_and_gradients(ssd("naive"), inputs), 1e-12)


@pytest.mark.parametrize("limit", [(0.0, inf), (0.1, 0.5)])
def test_output_of_transformers(limit):
    inputs = ssd_inputs(2, 40, 4, 8, 2, 16, torch.float32)
    inputs["initial_state"] = torch.randn(2, 4, 8, 16, requires_grad=True)

    def theirs(x, delta, A, B, C, D, delta_bias, initial_state):
        return mamba2_chunk_scan(
            x,
            delta,
            A,
            B,
            C,
            16,
            D=D,
            dt_bias=delta_bias,
            initial_states=initial_state,
            dt_softplus=True,
            dt_limit=limit,
            return_final_states=True,
        )

    ours = outputs_and_gradients(ssd(delta_limit=limit, chunk=16), inputs)
    assert_close(ours, outputs_and_gradients(theirs, inputs), 5e-6)


@pytest.mark.parametrize("dtype, bound", [(torch.float32, 1e-5), (torch.bfloat16, 1.6e-2)])
def test_error_bounds(dtype, bound):
    inputs = ssd_inputs(2, 100, 4, 8, 2, 16, dtype)
    exact = {name: tensor.detach().double().requires_grad_() for name, tensor in inputs.items()}
    assert_close(outputs_and_gradients(ssd(), inputs), outputs_and_gradients(ssd("naive"), exact), bound)


@pytest.mark.parametrize("mask", [-1e4, -inf])
def test_masked_steps_change_nothing(mask):
    inputs = ssd_inputs(2, 40, 4, 3, 2, 5, torch.float32)
    delta = inputs["delta"].detach().clone()
    delta[:, :11] = mask
    inputs["delta"] = delta.requires_grad_()
    masked = outputs_and_gradients(ssd(chunk=16), inputs)
    sequences = ("x", "delta", "B", "C")
    _, carried = ssd()(**{name: t[:, :11] if name in sequences else t for name, t in inputs.items()})
    assert torch.equal(carried, inputs["initial_state"].expand_as(carried))
    y, last_state = ssd()(**{name: t[:, 11:] if name in sequences else t for name, t in inputs.items()})
    torch.testing.assert_close(masked["output 0"][:, 11:], y, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(masked["output 1"], last_state, rtol=1e-4, atol=1e-5)
    assert all(tensor.isfinite().all() for tensor in masked.values())


@pytest.mark.parametrize("batch, seq_len", [(0, 5), (2, 0)])
def test_empty_inputs(batch, seq_len):
    inputs = ssd_inputs(batch, seq_len, 4, 3, 2, 5)
    assert_close(outputs_and_gradients(ssd(), inputs), outputs_and_gradients(ssd("naive"), inputs), 0.0)


def test_huge_steps_forget_everything():
    inputs = ssd_inputs(1, 20, 2, 3, 1, 5, torch.float32)
    inputs["delta"] = torch.full((1, 20, 2), 1e4, requires_grad=True)
    results = outputs_and_gradients(ssd(), inputs)
    assert all(tensor.isfinite().all() for tensor in results.values())
    assert_close(results, outputs_and_gradients(ssd("naive"), inputs), 1e-5)


def test_nan_propagates():
    inputs = {name: tensor.detach() for name, tensor in ssd_inputs(1, 20, 2, 3, 1, 5).items()}
    inputs["x"][0, 7, 1, 2] = float("nan")
    y, _ = ssd(chunk=4)(**inputs)
    expected, _ = ssd("naive")(**inputs)
    assert expected.isnan().any()
    assert torch.equal(y.isnan().any(-1)[:, 8:], expected.isnan().any(-1)[:, 8:])


@torch_compiles
def test_compiles_into_one_graph():
    inputs = ssd_inputs(2, 9, 4, 3, 2, 5)
    compiled = torch.compile(ssd(chunk=4), fullgraph=True, backend="aot_eager")
    assert_close(outputs_and_gradients(compiled, inputs), outputs_and_gradients(ssd(chunk=4), inputs), 1e-13)


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("delta", lambda t: t[..., 0], r"delta has shape \(2, 9\), expected \(batch, seq_len, heads\) = \(2, 9, 4\)"),
        ("B", lambda t: t[:, :, [0, 0, 0]], "B has 3 groups, expected a divisor of the 4 heads"),
        ("C", lambda t: t.float(), "C is torch.float32, expected torch.float64"),
        ("initial_state", lambda t: t[:, 1:], r"initial_state has shape .* = \(2, 4, 3, 5\), or a batch of 1"),
    ],
)
def test_bad_arguments_are_named(name, change, message):
    inputs = {key: tensor.detach() for key, tensor in ssd_inputs(2, 9, 4, 3, 2, 5).items()}
    inputs[name] = change(inputs[name])
    with pytest.raises((TypeError, ValueError), match=message):
        ssd_scan(**inputs)


def test_bad_chunk():
    with pytest.raises(ValueError, match="chunk is 0, expected at least 1"):
        ssd_scan(**{key: tensor.detach() for key, tensor in ssd_inputs(2, 9, 4, 3, 2, 5).items()}, chunk=0)
