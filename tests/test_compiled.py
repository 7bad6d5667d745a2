"""Adapted models in one graph: torch.compile without a break, and torch.export."""

from __future__ import annotations

import pytest
import torch
from families import build, ids, logits, shake
from ops_inputs import need
from required import torch_compiles
from torch import nn
from transformers import DynamicCache

import ssmpeft_lib
from ssmpeft_lib.compat.transformers import cache_keyword

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
WIDE = {"Mamba2": {"hidden_size": 128, "num_heads": 32}}
"""Layers above the size from which the library has linear layers of its own in decoding."""

METHODS = ("lora@linear,rank=2", "sdt", "initial_state,conv_state=true")
every_family = pytest.mark.parametrize("family", ["Mamba", "Mamba2"])
every_method = pytest.mark.parametrize("method", METHODS)
pytestmark = torch_compiles


def adapted(family: str, method: str) -> nn.Module:
    torch._dynamo.reset()
    torch.manual_seed(0)
    return shake(ssmpeft_lib.adapt(build(family, **WIDE.get(family, {})), method), 0.1)


@every_method
@every_family
def test_a_prompt_and_a_step_behind_it(family, method):
    model = adapted(family, method)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    name, cache, expected = cache_keyword(model), DynamicCache(config=model.config), logits(model, ids())
    torch.testing.assert_close(logits(compiled, ids(), use_cache=False), expected, **CLOSE)
    logits(model, ids()[:, :7], use_cache=True, **{name: cache})
    for at in (7, 8):
        found = logits(compiled, ids()[:, at : at + 1], use_cache=True, **{name: cache})
        torch.testing.assert_close(found, expected[:, at : at + 1], **CLOSE)


@pytest.mark.parametrize("method", ["lora@linear,rank=2", "sdt"])
@every_family
def test_a_training_step(family, method):
    found, expected = {}, {}
    for gradients, wrap in (
        (expected, lambda m: m),
        (found, lambda m: torch.compile(m, fullgraph=True, backend="aot_eager")),
    ):
        model = adapted(family, method).train()
        wrap(model)(input_ids=ids(), labels=ids(), use_cache=False).loss.backward()
        gradients |= {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


class Logits(nn.Module):
    """A model as torch.export takes it: tensors in, a tensor out."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.model(tokens, use_cache=False).logits


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("method", ["lora@linear,rank=2", "sdt"])
@every_family
def test_export(family, method, strict):
    model = adapted(family, method)
    with torch.no_grad():
        exported = torch.export.export(Logits(model), (ids(),), strict=strict)
        torch.testing.assert_close(exported.module()(ids()), logits(model, ids()), **CLOSE)


@pytest.mark.parametrize("step", ["state_step_cpp", "conv_step_cpp", "ssd_step_cpp"])
def test_registration_of_steps(step):
    need("cpp")
    torch.manual_seed(0)
    inputs = {
        "state_step_cpp": (
            *(torch.randn(2, 5, 3), torch.randn(2, 5), torch.rand(2, 5), -torch.rand(5, 3)),
            *(torch.randn(2, 3), torch.randn(2, 3), torch.randn(5), None, torch.randn(5), True),
        ),
        "conv_step_cpp": (torch.randn(2, 5, 3), torch.randn(2, 5), torch.randn(5, 4), None, "silu"),
        "ssd_step_cpp": (
            *(torch.randn(2, 4, 3, 5), torch.randn(2, 4, 3), torch.rand(2, 4), -torch.rand(4)),
            *(torch.randn(2, 2, 5), torch.randn(2, 2, 5), torch.randn(4), None, True, [0.0, float("inf")]),
        ),
    }[step]
    torch.library.opcheck(getattr(torch.ops.ssmpeft, step).default, inputs)
