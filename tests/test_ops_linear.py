"""Linear layers: oneDNN's product against torch's, and who gets which."""

from __future__ import annotations

import importlib
import pickle

import pytest
import torch
from ops_inputs import assert_close, need, outputs_and_gradients
from required import torch_compiles
from torch import nn
from torch.nn import functional as F
from transformers import MambaConfig, MambaForCausalLM

from ssmpeft_lib import ops
from ssmpeft_lib.adapters.backbone import Backbone

module = importlib.import_module("ssmpeft_lib.ops.linear")

BOUND = 1e-6
"""Relative error of float32 against float64, here over 70 products an entry."""


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def any_size(monkeypatch):
    """The kernels beside torch's for every size, on any processor."""
    need("onednn")
    for bound in ("LEAST_WORK", "LEAST_READ"):
        monkeypatch.setattr(module, bound, 0)
    monkeypatch.setattr(module, "mkl_is_slow", lambda: True)


def layer(*shape: int, bias: bool = True) -> dict:
    tensors = {"x": torch.randn(*shape, 70), "weight": torch.randn(30, 70)}
    if bias:
        tensors["bias"] = torch.randn(30)
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}


def results(function, inputs, dtype=torch.float32):
    inputs = {name: tensor.detach().to(dtype).requires_grad_() for name, tensor in inputs.items()}
    return outputs_and_gradients(lambda **given: (function(**given),), inputs)


def by_input(x, weight, bias=None):
    return F.linear(x, weight, bias)


@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("backend", ["cpp", "onednn", "auto"])
def test_equals_torch(any_size, backend, shape, bias):
    inputs = layer(*shape, bias=bias)
    if backend != "auto":
        need(backend)
    expected = results(by_input, inputs, torch.float64)
    assert_close(results(lambda **given: ops.linear(**given, backend=backend), inputs), expected, BOUND)


@pytest.mark.parametrize(
    "rows, inputs, outputs", [(1, 1, 1), (1, 16, 4), (3, 17, 5), (6, 33, 30), (8, 70, 3), (11, 5, 9)]
)
@pytest.mark.parametrize("bias", [True, False])
def test_a_few_rows(any_size, rows, inputs, outputs, bias):
    need("cpp")
    x, weight = torch.randn(rows, 2 * inputs)[:, inputs:], torch.randn(outputs, 3 * inputs)[:, :inputs]
    bias = torch.randn(outputs) if bias else None
    expected = F.linear(x.double(), weight.double(), None if bias is None else bias.double()).float()
    with torch.no_grad():
        for y in (ops.linear(x, weight, bias, backend="cpp"), ops.linear(x, weight, bias)):
            torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    x[0, 0] = float("nan")
    assert ops.linear(x, weight, bias, backend="cpp")[0].isnan().all()


def test_any_number_of_threads_gives_the_same_bits():
    need("cpp")
    x, weight = torch.randn(3, 200), torch.randn(301, 200)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(ops.linear(x, weight, backend="cpp"))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def test_a_vector_is_a_row(any_size):
    inputs = layer(bias=False)
    assert_close(results(ops.linear, inputs), results(by_input, inputs, torch.float64), BOUND)


@pytest.mark.parametrize(
    "change", [lambda t: t.transpose(0, 1), lambda t: t[..., ::2], lambda t: t[:1].expand(3, -1, -1)]
)
def test_any_strides(any_size, change):
    x = change(torch.randn(4, 5, 70)).requires_grad_()
    weight = torch.randn(x.shape[-1], 9).t().requires_grad_()
    got, expected = (torch.autograd.grad(f(x, weight).square().sum(), (x, weight)) for f in (ops.linear, F.linear))
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-3)


def test_only_what_needs_a_gradient_gets_one(any_size):
    """A frozen weight keeps no input for its gradient, and none is computed."""
    inputs = layer(4)
    inputs["weight"].requires_grad_(False)
    y = ops.linear(**inputs)
    kept, _ = y.grad_fn.saved_tensors
    assert kept is None
    y.sum().backward()
    assert {name for name, tensor in inputs.items() if tensor.grad is not None} == {"x", "bias"}


def test_gradients_of_gradients(any_size):
    inputs = layer(4, bias=False)
    got, expected = [], []
    for function, found in ((ops.linear, got), (F.linear, expected)):
        x, weight = (tensor.detach().clone().requires_grad_() for tensor in inputs.values())
        (grad,) = torch.autograd.grad(function(x, weight).square().sum(), x, create_graph=True)
        found += torch.autograd.grad(grad.square().sum(), (x, weight))
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-1)


@torch_compiles
def test_torch_keeps_what_it_transforms(any_size):
    """torch.func, torch.compile and autocast see torch's own function."""
    inputs = layer(4)
    stacked = torch.stack([inputs["weight"]] * 2)
    y = torch.func.vmap(lambda weight: ops.linear(inputs["x"], weight, inputs["bias"]))(stacked)
    torch.testing.assert_close(y[1], by_input(**inputs))
    with torch.autocast("cpu"):
        assert ops.linear(**inputs).dtype == torch.bfloat16
    compiled = torch.compile(ops.linear, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(**inputs), ops.linear(**inputs))


def test_small_products_stay_with_torch(monkeypatch):
    need("onednn")
    monkeypatch.setattr(module, "mkl_is_slow", lambda: True)
    monkeypatch.setattr(module, "pick_backend", lambda *_: pytest.fail("a small product left torch"))
    ops.linear(**layer(4))


def test_the_layer_is_torchs_but_for_its_product():
    stock = nn.Linear(70, 30)
    ours = ops.Linear(70, 30)
    ours.load_state_dict(stock.state_dict())
    x = torch.randn(2, 70)
    torch.testing.assert_close(ours(x), stock(x))
    assert torch.equal(pickle.loads(pickle.dumps(ours)).weight, stock.weight)


def test_a_prepared_model_has_it_everywhere_and_gives_it_back():
    model = MambaForCausalLM(MambaConfig(hidden_size=8, num_hidden_layers=1, vocab_size=11))
    backbone = Backbone(model)
    for change, kind in ((backbone.prepare, ops.Linear), (backbone.restore, nn.Linear)):
        change()
        assert {type(layer) for layer in model.modules() if isinstance(layer, nn.Linear)} == {kind}


def test_other_types_are_refused_by_onednn():
    with pytest.raises(ValueError, match="'onednn' cannot run on cpu tensors of torch.float64: it is for float32"):
        ops.linear(*(tensor.double() for tensor in layer(4).values()), backend="onednn")
