"""Quantised bases, however the quantiser hides it: what works, and what is refused before anything is touched."""

from __future__ import annotations

import pytest
import torch
from families import build, ids, logits, shake
from peft import get_peft_model
from torch import nn
from torch.testing._internal.two_tensor import TwoTensor

import ssmpeft_lib
from ssmpeft_lib.adapters.quantised import quantiser_of

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
SHARES = "freeze_channels=0.9,freeze_states=0.5"


class Packed(nn.Linear):
    """A linear layer whose weight is stored as bytes in a shape of its own, as bitsandbytes does."""

    def __init__(self, layer: nn.Linear):
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None)
        self.scale = layer.weight.detach().abs().max() / 127
        packed = (layer.weight.detach() / self.scale).round() + 128
        self.weight = nn.Parameter(packed.to(torch.uint8).flatten()[:, None], requires_grad=False)
        self.bias = layer.bias

    def forward(self, x):
        weight = (self.weight.view(self.out_features, self.in_features).to(x.dtype) - 128) * self.scale
        return nn.functional.linear(x, weight, self.bias)


class PackedAtEachCall(nn.Linear):
    """A linear layer that rounds its floating-point weight at each call, as quanto does before it is frozen."""

    def __init__(self, layer: nn.Linear):
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None)
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x):
        scale = self.weight.abs().max() / 127
        return nn.functional.linear(x, (self.weight / scale).round() * scale, self.bias)


every_quantiser = pytest.mark.parametrize("kind", [Packed, PackedAtEachCall])
every_family = pytest.mark.parametrize("family", ["Mamba", "Mamba2", "Jamba"])


def quantised(family: str, kind: type) -> nn.Module:
    model = build(family)
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and "lm_head" not in name:
            parent, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent), attribute, kind(module))
    return model


@every_quantiser
@every_family
def test_low_rank_updates_work_and_do_not_merge(family, kind):
    expected = logits(ssmpeft_lib.adapt(quantised(family, kind), "pretrained"), ids())
    torch.testing.assert_close(expected, logits(build(family), ids()), rtol=0.1, atol=0.1)
    model = ssmpeft_lib.adapt(quantised(family, kind), "lora@linear,rank=2")
    torch.testing.assert_close(logits(model, ids()), expected, **CLOSE)
    model.train()(ids(), labels=ids()).loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match="cannot merge into a quantised weight"):
        ssmpeft_lib.merge(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    through_peft = get_peft_model(quantised(family, kind), ssmpeft_lib.SSMPeftConfig(method="lora@linear,rank=2"))
    for merge in (through_peft.merge_adapter, through_peft.merge_and_unload):
        with pytest.raises(ValueError, match="cannot merge into a quantised weight"):
            merge()


@pytest.mark.parametrize("through_peft", [False, True])
@pytest.mark.parametrize(
    "method", ["dora@in_proj", "full@linear", "lora@in_proj_x,also=out_proj", f"sdt,{SHARES}", "full"]
)
@every_quantiser
@every_family
def test_what_needs_the_values_is_refused_and_leaves_the_model_alone(family, kind, method, through_peft):
    if method.startswith("sdt") and family != "Mamba2":
        pytest.skip("A_log decides, which is not quantised")
    if method == "full" and through_peft:
        pytest.skip("peft has no use for a method without adapters")
    model = quantised(family, kind)
    # transformers' own forward of Mamba and Jamba cannot take the bytes
    structure, expected = str(model), logits(model, ids()) if family == "Mamba2" else None
    with pytest.raises(ValueError, match="quantised"):
        if through_peft:
            get_peft_model(model, ssmpeft_lib.SSMPeftConfig(method=method))
        else:
            ssmpeft_lib.adapt(model, method)
    assert str(model) == structure and not hasattr(model, "ssmpeft")
    if expected is not None:
        torch.testing.assert_close(logits(model, ids()), expected, rtol=0, atol=0)


@every_quantiser
def test_a_selection_by_what_is_not_quantised_works(kind):
    method = f"sdlora,{SHARES}"
    model = ssmpeft_lib.adapt(quantised("Mamba", kind), method)
    plain = ssmpeft_lib.adapt(build("Mamba"), method)
    assert ssmpeft_lib.count(model)["trainable"] == ssmpeft_lib.count(plain)["trainable"]
    ssmpeft_lib.initialize_sdt_weights(model, [{"input_ids": ids(), "labels": ids()}], steps=2)
    assert logits(model, ids()).isfinite().all()


@pytest.mark.parametrize("method", ["lora@linear,rank=2", "bitfit", "full@A_log+D", "prompt,tokens=2"])
@every_quantiser
@every_family
def test_the_doctor_raises_no_false_alarm(family, kind, method):
    report = ssmpeft_lib.doctor(ssmpeft_lib.adapt(quantised(family, kind), method))
    assert report.healthy, str(report)
    assert report.checks["merged"].ok is None


def test_how_a_quantised_weight_is_known():
    plain = nn.Linear(4, 4)
    shaken = shake(nn.Linear(4, 4), 0.1)
    assert quantiser_of(plain.weight, plain) == quantiser_of(shaken.weight.bfloat16()) == ""
    assert quantiser_of(torch.zeros(2, dtype=torch.float8_e4m3fn)) == "torch.float8_e4m3fn"
    assert quantiser_of(nn.Parameter(TwoTensor(torch.zeros(2, 2), torch.zeros(2, 2)))) == "TwoTensor"
    assert quantiser_of(plain.weight, PackedAtEachCall(plain)) == "PackedAtEachCall"
