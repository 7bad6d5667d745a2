"""The causal convolution: every backend against the naive form, its gradients, initial columns and layouts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ops_inputs import assert_close, need, outputs_and_gradients, transposed
from reference import shared
from required import torch_compiles
from transformers.models.mamba.modeling_mamba import causal_conv1d_fn

from ssmpeft_lib.ops import causal_conv1d, causal_conv1d_step

BACKENDS = ["cpp", "torch"]
DOUBLE = torch.float64


def conv_inputs(batch: int, d_inner: int, width: int, seq_len: int, dtype: torch.dtype = DOUBLE) -> dict:
    parameters = DOUBLE if dtype == DOUBLE else torch.float32
    tensors = {
        "x": transposed(batch, d_inner, seq_len, dtype=dtype),
        "weight": torch.randn(d_inner, width, dtype=parameters),
        "bias": torch.randn(d_inner, dtype=parameters),
        "initial_columns": torch.randn(1, d_inner, width - 1, dtype=dtype),
    }
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}


def conv(backend, **options):
    return lambda **inputs: (causal_conv1d(**inputs, backend=backend, **options),)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("activation", ["silu", None])
@pytest.mark.parametrize("width", [1, 2, 4, 5])
@pytest.mark.parametrize("batch, d_inner, seq_len", [(2, 5, 1), (1, 16, 2), (2, 130, 33), (0, 4, 5), (3, 7, 64)])
def test_equals_the_naive_form(backend, activation, width, batch, d_inner, seq_len):
    inputs = conv_inputs(batch, d_inner, width, seq_len)
    results = [outputs_and_gradients(conv(name, activation=activation), inputs) for name in (need(backend), "naive")]
    assert_close(*results, 1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty_sequences(backend):
    gradients = outputs_and_gradients(conv(need(backend)), conv_inputs(2, 4, 4, 0))
    assert gradients.pop("output 0").shape == (2, 4, 0)
    assert not any(tensor.any() for tensor in gradients.values())


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_are_those_of_finite_differences(backend):
    inputs = conv_inputs(2, 3, 4, 6)
    run = conv(need(backend))
    tensors = [*inputs.values()]
    assert torch.autograd.gradcheck(lambda *given: run(**dict(zip(inputs, given, strict=True))), tensors)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("missing", ["bias", "initial_columns"])
def test_each_optional_input_may_be_missing(backend, missing):
    inputs = conv_inputs(2, 5, 4, 40)
    del inputs[missing]
    assert_close(
        outputs_and_gradients(conv(need(backend)), inputs), outputs_and_gradients(conv("naive"), inputs), 1e-13
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_initial_columns_for_each_sequence_are_the_inputs_before(backend):
    need(backend)
    x = transposed(3, 5, 20)
    inputs = conv_inputs(3, 5, 4, 20)
    weight, bias = inputs["weight"], inputs["bias"]
    whole = causal_conv1d(x, weight, bias, backend=backend)
    rest = causal_conv1d(x[..., 7:], weight, bias, initial_columns=x[..., 4:7], backend=backend)
    torch.testing.assert_close(rest, whole[..., 7:])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype, bound", [(torch.float32, 2e-6), (torch.bfloat16, 8e-3)])
def test_error_bounds(backend, dtype, bound):
    inputs = conv_inputs(2, 40, 4, 100, dtype)
    exact = {name: tensor.detach().double().requires_grad_() for name, tensor in inputs.items()}
    expected = outputs_and_gradients(conv("naive"), exact)
    assert_close(outputs_and_gradients(conv(need(backend)), inputs), expected, bound)


@pytest.mark.parametrize("backend", BACKENDS)
def test_output_of_the_authors_code(backend):
    case = {name: torch.from_numpy(array) for name, array in np.load(shared("parity/case2_init_state.npz")).items()}
    arguments = case["conv_weight"][:, 0], case["conv_bias"], None, case["conv_init"][None]
    y = causal_conv1d(case["u"], *arguments, backend=need(backend))
    torch.testing.assert_close(y, case["conv_out"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_output_of_transformers(backend):
    inputs = conv_inputs(2, 24, 4, 20, torch.float32)
    del inputs["initial_columns"]

    def theirs(x, weight, bias):
        return (causal_conv1d_fn(x, weight, bias, activation="silu"),)

    assert_close(outputs_and_gradients(conv(need(backend)), inputs), outputs_and_gradients(theirs, inputs), 2e-6)


@pytest.mark.parametrize("backend", [*BACKENDS, "naive"])
def test_output_keeps_the_layout_of_the_input(backend):
    need(backend)
    inputs = {name: tensor.detach() for name, tensor in conv_inputs(2, 6, 4, 9).items()}
    halves = torch.randn(2, 9, 12, dtype=DOUBLE)
    for x in (inputs["x"], inputs["x"].contiguous(), halves[:, :, 6:].transpose(1, 2)):
        (y,) = conv(backend)(**(inputs | {"x": x}))
        assert (y.stride(1) <= y.stride(2)) == (x.stride(1) <= x.stride(2))
        torch.testing.assert_close(y, conv("naive")(**(inputs | {"x": x.contiguous()}))[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_nan_propagates_and_only_forward(backend):
    inputs = {name: tensor.detach() for name, tensor in conv_inputs(1, 20, 4, 40, torch.float32).items()}
    inputs["x"][0, 3, 17] = float("nan")
    (y,) = conv(need(backend))(**inputs)
    assert y.isnan().nonzero()[:, 1:].tolist() == [[3, t] for t in range(17, 21)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_frozen_weights_get_no_gradient(backend):
    inputs = conv_inputs(2, 5, 4, 9)
    inputs["weight"].requires_grad_(False)
    inputs["bias"].requires_grad_(False)
    conv(need(backend))(**inputs)[0].sum().backward()
    assert inputs["weight"].grad is None and inputs["bias"].grad is None
    assert inputs["x"].grad is not None and inputs["initial_columns"].grad is not None


@pytest.mark.parametrize("threads", [2, 5])
def test_any_number_of_threads_gives_the_same_bits(threads):
    inputs = conv_inputs(3, 200, 4, 70, torch.float32)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = outputs_and_gradients(conv(need("cpp")), inputs)
        torch.set_num_threads(threads)
        got = outputs_and_gradients(conv("cpp"), inputs)
    finally:
        torch.set_num_threads(before)
    assert_close(got, expected, 0.0)


@torch_compiles
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiles_into_one_graph(backend):
    inputs = conv_inputs(2, 5, 4, 9)
    compiled = torch.compile(conv(need(backend)), fullgraph=True, backend="aot_eager")
    assert_close(outputs_and_gradients(compiled, inputs), outputs_and_gradients(conv(backend), inputs), 1e-13)


@torch_compiles
def test_registration():
    need("cpp")
    torch.library.opcheck(torch.ops.ssmpeft.conv_cpp.default, (*conv_inputs(2, 5, 4, 40).values(), None, True))


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("weight", lambda t: t[:3], r"weight has shape \(3, 4\), expected \(d_inner, width\) = \(5, 4\)"),
        ("bias", lambda t: t[None], r"bias has shape \(1, 5\), expected \(d_inner,\) = \(5,\)"),
        ("initial_columns", lambda t: t[..., 1:], r"initial_columns has shape \(1, 5, 2\), .* = \(2, 5, 3\)"),
        ("initial_columns", lambda t: t.float(), "initial_columns is torch.float32, expected torch.float64"),
        ("x", lambda t: t[0], r"x has shape \(5, 9\), expected \(batch, d_inner, seq_len\)"),
    ],
)
def test_bad_arguments_are_named(name, change, message):
    inputs = {key: tensor.detach() for key, tensor in conv_inputs(2, 5, 4, 9).items()}
    inputs[name] = change(inputs[name])
    with pytest.raises((TypeError, ValueError), match=message):
        causal_conv1d(**inputs)


def test_unknown_activation():
    x, weight = torch.randn(1, 2, 3), torch.randn(2, 4)
    with pytest.raises(ValueError, match="causal_conv1d: activation is 'gelu', expected one of"):
        causal_conv1d(x, weight, activation="gelu")
    with pytest.raises(ValueError, match="causal_conv1d_step: activation is 'gelu', expected one of"):
        causal_conv1d_step(x, x[..., 0], weight, activation="gelu")


@pytest.mark.parametrize("backend", [*BACKENDS, "naive"])
def test_swish_is_another_name_of_silu(backend):
    x, weight = torch.randn(1, 2, 3), torch.randn(2, 4)
    options = {"backend": need(backend)}
    assert torch.equal(
        causal_conv1d(x, weight, None, "swish", **options), causal_conv1d(x, weight, None, "silu", **options)
    )
    if backend != "naive":
        steps = [causal_conv1d_step(x.clone(), x[..., 0], weight, None, name, **options) for name in ("swish", "silu")]
        assert torch.equal(*steps)
