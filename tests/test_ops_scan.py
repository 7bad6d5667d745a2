"""The selective scan: every backend against the naive form, its gradients, odd sizes, special values and layouts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ops_inputs import assert_close, need, outputs_and_gradients, scan_inputs
from reference import shared
from required import torch_compiles
from torch.utils.checkpoint import checkpoint
from transformers.models.mamba.modeling_mamba import mamba_selective_scan

from ssmpeft_lib.ops import selective_scan

BACKENDS = ["cpp", "torch"]

FLOAT32_BOUND = 5e-6
"""Relative error of float32 against float64, of the output and every gradient."""

BFLOAT16_BOUND = 1.6e-2
"""The same for bfloat16, that is two roundings to 8 bits; sums and states are in float32."""


def scan(backend, **options):
    def run(**inputs):
        return selective_scan(**inputs, delta_softplus=True, return_last_state=True, backend=backend, **options)

    return run


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("d_inner, d_state", [(1, 1), (5, 3), (16, 4), (37, 16), (130, 17), (9, 64)])
@pytest.mark.parametrize("seq_len", [1, 2, 15, 16, 17, 33])
def test_equals_the_naive_form(backend, d_inner, d_state, seq_len):
    inputs = scan_inputs(2, d_inner, d_state, seq_len)
    expected = outputs_and_gradients(scan("naive"), inputs)
    assert_close(outputs_and_gradients(scan(need(backend)), inputs), expected, 1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
def test_equals_the_naive_form_on_a_long_sequence(backend):
    inputs = scan_inputs(1, 6, 4, 1000)
    assert_close(
        outputs_and_gradients(scan(need(backend)), inputs), outputs_and_gradients(scan("naive"), inputs), 1e-10
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_are_those_of_finite_differences(backend):
    inputs = scan_inputs(2, 3, 2, 5)
    run = scan(need(backend))
    assert torch.autograd.gradcheck(lambda *tensors: run(**dict(zip(inputs, tensors, strict=True))), [*inputs.values()])


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradient_check_over_chunks(backend):
    inputs = scan_inputs(1, 18, 5, 35)
    run = scan(need(backend))
    tensors = [*inputs.values()]
    assert torch.autograd.gradcheck(
        lambda *tensors: run(**dict(zip(inputs, tensors, strict=True))), tensors, fast_mode=True
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("missing", ["D", "z", "delta_bias", "initial_state"])
def test_each_optional_input_may_be_missing(backend, missing):
    inputs = scan_inputs(2, 5, 3, 7)
    del inputs[missing]
    assert_close(
        outputs_and_gradients(scan(need(backend)), inputs), outputs_and_gradients(scan("naive"), inputs), 1e-12
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_softplus_or_last_state(backend):
    inputs = scan_inputs(2, 5, 3, 7)
    inputs["delta"] = inputs["delta"].detach().abs().requires_grad_()
    results = [
        outputs_and_gradients(lambda **given: (selective_scan(**given, backend=name),), inputs)  # noqa: B023
        for name in (need(backend), "naive")
    ]
    assert_close(*results, 1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_initial_state_for_each_sequence(backend):
    inputs = scan_inputs(3, 5, 3, 7)
    inputs["initial_state"] = torch.randn(3, 5, 3, dtype=torch.float64, requires_grad=True)
    assert_close(
        outputs_and_gradients(scan(need(backend)), inputs), outputs_and_gradients(scan("naive"), inputs), 1e-12
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype, bound", [(torch.float32, FLOAT32_BOUND), (torch.bfloat16, BFLOAT16_BOUND)])
def test_error_bounds(backend, dtype, bound):
    inputs = scan_inputs(2, 40, 16, 100, dtype)
    exact = {name: tensor.detach().double().requires_grad_() for name, tensor in inputs.items()}
    expected = outputs_and_gradients(scan("naive"), exact)
    assert_close(outputs_and_gradients(scan(need(backend)), inputs), expected, bound)


@pytest.mark.parametrize("backend", BACKENDS)
def test_types_of_the_results(backend):
    inputs = scan_inputs(1, 4, 2, 3, torch.bfloat16)
    y, last_state = scan(need(backend))(**inputs)
    assert (y.dtype, last_state.dtype) == (torch.bfloat16, torch.float32)


def test_continues_where_another_scan_stopped():
    inputs = scan_inputs(2, 5, 3, 40)
    whole, last = scan("auto")(**inputs)
    parts, state = [], inputs["initial_state"]
    for steps in (slice(0, 13), slice(13, 40)):
        part = {name: t[..., steps] if name in ("u", "delta", "B", "C", "z") else t for name, t in inputs.items()}
        y, state = scan("auto")(**(part | {"initial_state": state}))
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, dim=-1), whole)
    torch.testing.assert_close(state, last)


@pytest.mark.parametrize("backend", BACKENDS)
def test_output_of_the_authors_code(backend):
    case = {name: torch.from_numpy(array) for name, array in np.load(shared("parity/case2_init_state.npz")).items()}
    inputs = {"u": case["u"], "delta": case["dt_pre_softplus"]} | {name: case[name] for name in "ABCDz"}
    y, last_state = scan(need(backend))(**inputs)
    torch.testing.assert_close(y, case["y_no_init"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last_state, case["last_state_no_init"], rtol=1e-4, atol=1e-5)
    y, last_state = scan(need(backend))(**inputs, initial_state=case["h0"][None])
    torch.testing.assert_close(y, case["y"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last_state, case["last_state"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_output_of_transformers(backend):
    inputs = scan_inputs(2, 24, 16, 20, torch.float32)
    del inputs["initial_state"]

    def theirs(u, delta, A, B, C, D, z, delta_bias):
        return mamba_selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus=True, return_last_state=True)

    assert_close(
        outputs_and_gradients(scan(need(backend)), inputs), outputs_and_gradients(theirs, inputs), FLOAT32_BOUND
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mask", [-1e4, float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_masked_steps_change_nothing(backend, mask, dtype):
    """Left padding: the state is carried through bit for bit, and gradients stay finite."""
    need(backend)
    inputs = scan_inputs(2, 20, 5, 40, dtype)
    delta = inputs["delta"].detach().clone()
    delta[:, :, :11] = mask
    inputs["delta"] = delta.requires_grad_()
    masked = outputs_and_gradients(scan(backend), inputs)
    sequences = ("u", "delta", "B", "C", "z")
    _, carried = scan(backend)(**{name: t[..., :11] if name in sequences else t for name, t in inputs.items()})
    assert torch.equal(carried, inputs["initial_state"].expand_as(carried))
    y, last_state = scan(backend)(**{name: t[..., 11:] if name in sequences else t for name, t in inputs.items()})
    torch.testing.assert_close(masked["output 0"][..., 11:], y)
    torch.testing.assert_close(masked["output 1"], last_state)
    assert all(tensor.isfinite().all() for tensor in masked.values())
    assert not masked["gradient of delta"][..., :11].any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["u", "delta", "B", "C", "z"])
def test_nan_and_inf_propagate(backend, value, name):
    inputs = {key: tensor.detach() for key, tensor in scan_inputs(1, 20, 5, 40, torch.float32).items()}
    inputs[name] = inputs[name].clone()
    inputs[name][0, 3, 17] = value
    y, last_state = scan(need(backend))(**inputs)
    expected, expected_state = scan("naive")(**inputs)
    assert not expected.isfinite().all()
    torch.testing.assert_close(y, expected, equal_nan=True, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(last_state, expected_state, equal_nan=True, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_huge_steps_forget_everything(backend):
    inputs = scan_inputs(1, 20, 5, 6, torch.float32)
    inputs["delta"] = torch.full((1, 20, 6), 1e4, requires_grad=True)
    results = outputs_and_gradients(scan(need(backend)), inputs)
    assert all(tensor.isfinite().all() for tensor in results.values())
    assert_close(results, outputs_and_gradients(scan("naive"), inputs), FLOAT32_BOUND)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch, d_inner, seq_len", [(0, 4, 5), (2, 4, 0), (2, 0, 5)])
def test_empty_inputs(backend, batch, d_inner, seq_len):
    inputs = scan_inputs(batch, d_inner, 3, seq_len)
    results = outputs_and_gradients(scan(need(backend)), inputs)
    expected = outputs_and_gradients(scan("naive"), inputs)
    assert_close(results, expected, 0.0)
    assert results["output 0"].shape == (batch, d_inner, seq_len)


@pytest.mark.parametrize("backend", [*BACKENDS, "naive"])
def test_output_keeps_the_layout_of_the_input(backend):
    need(backend)
    inputs = {name: tensor.detach() for name, tensor in scan_inputs(2, 6, 3, 9).items()}
    halves = torch.randn(2, 9, 12, dtype=torch.float64)
    for u in (inputs["u"], inputs["u"].contiguous(), halves[:, :, 6:].transpose(1, 2)):
        y, _ = scan(backend)(**(inputs | {"u": u}))
        assert (y.stride(1) <= y.stride(2)) == (u.stride(1) <= u.stride(2))
        assert y.transpose(1, 2).is_contiguous() or y.is_contiguous()


@pytest.mark.parametrize("backend", BACKENDS)
def test_any_strides(backend):
    """Contiguous, sliced, reversed in memory order and expanded inputs give what dense ones give."""
    need(backend)
    inputs = scan_inputs(3, 6, 4, 9)
    dense = outputs_and_gradients(scan(backend), inputs)
    contiguous = {name: tensor.detach().contiguous().requires_grad_() for name, tensor in inputs.items()}
    assert_close(outputs_and_gradients(scan(backend), contiguous), dense, 1e-13)
    every_second = {
        name: torch.stack([tensor.detach(), tensor.detach()], dim=-1).flatten(-2)[..., ::2].requires_grad_()
        for name, tensor in inputs.items()
    }
    assert_close(outputs_and_gradients(scan(backend), every_second), dense, 1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_expanded_inputs(backend):
    need(backend)
    inputs = scan_inputs(1, 6, 4, 9)
    expanded = {
        name: t.expand(3, -1, -1) if name in ("u", "delta", "B", "C", "z", "initial_state") else t
        for name, t in inputs.items()
    }
    y, last_state = scan(backend)(**expanded)
    expected, expected_state = scan("naive")(**expanded)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(last_state, expected_state)
    grads = torch.autograd.grad(y.sum() + last_state.sum(), [*inputs.values()])
    expected_grads = torch.autograd.grad(expected.sum() + expected_state.sum(), [*inputs.values()])
    torch.testing.assert_close(grads, expected_grads)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_any_number_of_threads_gives_the_same_bits(threads):
    inputs = scan_inputs(2, 300, 16, 70, torch.float32)
    run = scan(need("cpp"))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = outputs_and_gradients(run, inputs)
        torch.set_num_threads(threads)
        got = outputs_and_gradients(run, inputs)
    finally:
        torch.set_num_threads(before)
    for name, tensor in expected.items():
        assert torch.equal(got[name], tensor), name


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_what_needs_a_gradient_gets_one(backend):
    inputs = scan_inputs(2, 5, 3, 7)
    for name in ("A", "D", "delta_bias", "initial_state"):
        inputs[name].requires_grad_(False)
    y, _ = scan(need(backend))(**inputs)
    y.sum().backward()
    assert {name for name, tensor in inputs.items() if tensor.grad is not None} == {"u", "delta", "B", "C", "z"}


@torch_compiles
@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiles_into_one_graph(backend):
    inputs = scan_inputs(2, 5, 3, 7)
    run = scan(need(backend))
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    assert_close(outputs_and_gradients(compiled, inputs), outputs_and_gradients(run, inputs), 1e-13)


@torch_compiles
@pytest.mark.parametrize("backend", BACKENDS)
def test_registration(backend):
    need(backend)
    inputs = scan_inputs(2, 5, 3, 40, torch.float32)
    inputs["delta"] = inputs["delta"].detach().abs().requires_grad_()
    if backend == "cpp":
        torch.library.opcheck(torch.ops.ssmpeft.scan_cpp.default, (*inputs.values(), None, True, True))
        with torch.no_grad():
            torch.library.opcheck(torch.ops.ssmpeft.scan_cpp.default, (*inputs.values(), None, True, False))
    else:
        tensors = [inputs[name] for name in ("u", "delta", "A", "B", "C", "initial_state")]
        tensors[-1] = tensors[-1].detach().expand(2, -1, -1).clone().requires_grad_()
        torch.library.opcheck(torch.ops.ssmpeft.scan_torch.default, (*tensors, None))


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradient_checkpointing(backend):
    inputs = scan_inputs(2, 5, 3, 7)
    run = scan(need(backend))
    recomputed = outputs_and_gradients(lambda **given: checkpoint(run, **given, use_reentrant=False), inputs)
    assert_close(recomputed, outputs_and_gradients(run, inputs), 0.0)


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("B", lambda t: t[:, :2], r"B has shape \(2, 2, 7\), expected \(batch, d_state, seq_len\) = \(2, 3, 7\)"),
        ("u", lambda t: t[0], r"u has shape \(5, 7\), expected \(batch, d_inner, seq_len\)"),
        ("D", lambda t: t[:4], r"D has shape \(4,\), expected \(d_inner,\) = \(5,\)"),
        ("initial_state", lambda t: t[0], r"initial_state has shape \(5, 3\), expected .* = \(2, 5, 3\), or a batch"),
        ("delta", lambda t: t.float(), "delta is torch.float32, expected torch.float64"),
        ("u", lambda t: t.long(), "u is torch.int64, expected one of torch.float32"),
        ("C", lambda t: t.to("meta"), "C is on meta, expected cpu"),
        ("z", lambda t: t[..., :-1], r"z has shape \(2, 5, 6\)"),
    ],
)
def test_bad_arguments_are_named(name, change, message):
    inputs = {key: tensor.detach() for key, tensor in scan_inputs(2, 5, 3, 7).items()}
    inputs[name] = change(inputs[name])
    with pytest.raises((TypeError, ValueError), match=message):
        selective_scan(**inputs)


def test_a_list_is_not_a_tensor():
    with pytest.raises(TypeError, match="u is a list, expected a tensor"):
        selective_scan([1.0], None, None, None, None)
