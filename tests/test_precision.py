"""Adapters on bases in bfloat16 and float16: small changes of what is read in float32 are not rounded away."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, build, ids, logits, shake
from peft import get_peft_model
from test_contracts import cases

import ssmpeft_lib
from ssmpeft_lib.adapters.backbone import Backbone

HALF = pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
STEP = 2e-4
"""About what an update of the optimiser moves an entry by; bfloat16 keeps 1 / 256 of a value, float16 1 / 2048."""

METHODS = [
    "full@A_log+D",
    "full@ssm+norm+norm_f",
    "bitfit",
    "lora@A_log,rank=2",
    "dora@A_log+conv1d,rank=2",
    "sdt,freeze_channels=0.9,freeze_states=0.5,also=D.norm",
    "full@in_proj_bias+out_proj_bias",
]
WITH_BIAS = {"Mamba": {"use_bias": True}, "Mamba2": {"use_bias": True}, "FalconMamba": {"use_bias": True}}


def half(family: str, method: str, kind: torch.dtype):
    torch.manual_seed(0)
    return ssmpeft_lib.adapt(build(family, **_sizes(family, method)).to(kind), method)


def present(families, methods):
    return [p for p in cases(families, methods) if "_bias+" not in p.values[1] or p.values[0] in WITH_BIAS]


def raw_slots(model):
    return [slot for slot in Backbone(model).all_slots() if slot.adapted() is not None and not slot.is_projection]


@HALF
@pytest.mark.parametrize("family, method", present(FAMILIES, METHODS))
def test_the_forward_sees_every_small_change(family, method, kind):
    model = half(family, method, kind)
    plain = build(family, **_sizes(family, method)).to(kind)
    torch.testing.assert_close(logits(model, ids()), logits(plain, ids()), rtol=0.1, atol=0.1)
    for slot in raw_slots(model):
        (delta,) = slot.adapted().deltas["default"].values()
        shown, asked = slot.effective.detach().clone(), delta.change(slot.block.float()).detach().clone()
        with torch.no_grad():
            for parameter in delta.parameters():
                # products of small factors are smaller still
                parameter += STEP if "full" in method or parameter.dim() < 2 else 0.05
        asked = (delta.change(slot.block.float()).detach() - asked).abs() > STEP / 2
        moved = slot.region.of(slot.effective.detach()) - slot.region.of(shown)
        assert moved.dtype == torch.float32 and asked.any()
        assert (moved[asked] != 0).float().mean() > 0.99, slot.path
    found = logits(model, ids())
    assert found.isfinite().all() and found.dtype == logits(plain, ids()).dtype


def _sizes(family, method):
    return WITH_BIAS[family] if "_bias+" in method else {}


@pytest.mark.parametrize("family, method", present(FAMILIES, METHODS))
def test_training_generation_and_caches_work_in_bfloat16(family, method):
    model = half(family, method, torch.bfloat16)
    shake(model, 0.01)
    model.train()(ids(), labels=ids()).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
    options = {"max_new_tokens": 3, "do_sample": False, "attention_mask": torch.ones_like(ids())}
    model.eval().generate(ids(), **options)


@pytest.mark.parametrize("through_peft", [False, True])
@pytest.mark.parametrize("family, method", present(FAMILIES, METHODS[:3]))
def test_a_merge_that_would_round_the_change_away_is_refused_and_works_in_float32(family, method, through_peft):
    model = build(family).to(torch.bfloat16)
    if through_peft:
        model = get_peft_model(model, ssmpeft_lib.SSMPeftConfig(method=method)).eval()
    else:
        model = ssmpeft_lib.adapt(model, method)
    shake(model, 0.01)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"stored in bfloat16.*model.float\(\), then merge"):
        ssmpeft_lib.merge(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    expected = logits(model.float(), ids())
    torch.testing.assert_close(logits(ssmpeft_lib.merge(model), ids()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_low_rank_updates_of_projections_merge_in_bfloat16(family):
    model = shake(ssmpeft_lib.adapt(build(family).to(torch.bfloat16), "lora@linear,rank=2"), 0.05)
    expected = logits(model, ids())
    torch.testing.assert_close(logits(ssmpeft_lib.merge(model), ids()), expected, rtol=0.1, atol=0.1)
