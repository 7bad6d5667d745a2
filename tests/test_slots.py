"""Every linear layer of every family can be adapted, and what has no slot is answered."""

from __future__ import annotations

import copy

import pytest
import torch
from families import FAMILIES, build, ids, logits, shake
from peft import get_peft_model
from torch import nn

import ssmpeft_lib
from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.checkup.tiny import tiny
from ssmpeft_lib.models.s4 import build as build_s4

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
UNTIED = ("Jamba", "Bamba", "FalconH1", "NemotronH")
EXPERTS = {
    **{"hybrid_override_pattern": "M*E", "n_routed_experts": 2, "num_experts_per_tok": 1, "moe_latent_size": 16},
    **{"moe_intermediate_size": 16, "moe_shared_expert_intermediate_size": 16},
}
MODELS = [(family, {}) for family in FAMILIES] + [("NemotronH", EXPERTS)]


def linear_layers(model: nn.Module) -> set[str]:
    head = model.get_output_embeddings()
    return {name for name, module in model.named_modules() if isinstance(module, nn.Linear) and module is not head}


@pytest.mark.parametrize("family, sizes", MODELS, ids=lambda value: value if isinstance(value, str) else len(value))
@pytest.mark.parametrize("kind", ["lora", "dora", "full"])
def test_all_linear_is_every_linear_layer_but_the_head(family, sizes, kind):
    plain = build(family, **sizes)
    model = ssmpeft_lib.adapt(build(family, **sizes), f"{kind}@all-linear")
    adapted = {name for name, module in model.named_modules() if hasattr(module, "base_layer")}
    assert adapted == linear_layers(plain)
    torch.testing.assert_close(logits(model, ids()), logits(plain, ids()), **CLOSE)
    shake(model, 0.05)
    expected = logits(model, ids())
    torch.testing.assert_close(logits(ssmpeft_lib.merge(model), ids()), expected, **CLOSE)


@pytest.mark.parametrize("family, sizes", MODELS, ids=lambda value: value if isinstance(value, str) else len(value))
def test_the_doctor_finds_nothing_in_all_linear_layers(family, sizes):
    torch.manual_seed(0)
    report = ssmpeft_lib.doctor(ssmpeft_lib.adapt(build(family, **sizes), "lora@all_linear,dropout=0"))
    assert report.healthy, str(report)


@pytest.mark.parametrize("family", ["Jamba", "Bamba", "Zamba2", "FalconH1", "GraniteMoeHybrid", "NemotronH"])
def test_the_mlp_of_every_hybrid_has_its_slots(family):
    model = ssmpeft_lib.adapt(build(family), "lora@mlp")
    present = {slot.name for slot in Backbone(model).all_slots()}
    assert {"up_proj", "down_proj"} <= present
    assert ("gate_proj" in present) == (family != "NemotronH")


@pytest.mark.parametrize("family", ["Zamba2", "GraniteMoeHybrid"])
def test_the_halves_of_a_fused_layer_are_the_gate_and_the_way_up(family):
    """Two blocks of rows: what the first changes leaves the second alone."""
    model = shake(ssmpeft_lib.adapt(build(family), "lora@gate_proj"), 0.1)
    before = dict(build(family).named_parameters())
    for name, parameter in ssmpeft_lib.merge(model).named_parameters():
        changed = (parameter != before[name]).flatten(1).any(1) if parameter.dim() == 2 else None
        if name.endswith(("gate_up_proj.weight", "input_linear.weight")):
            middle = len(changed) // 2
            assert changed[:middle].all() and not changed[middle:].any()
        else:
            torch.testing.assert_close(parameter, before[name])


@pytest.mark.parametrize("family", UNTIED)
@pytest.mark.parametrize("method", ["full@embedding+lm_head", "lora@lm_head", "lora@embedding"])
def test_embedding_and_head(family, method, tmp_path):
    model = ssmpeft_lib.adapt(build(family), method)
    torch.testing.assert_close(logits(model, ids()), logits(build(family), ids()), **CLOSE)
    model(ids(), labels=ids()).loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    shake(model, 0.1)
    ssmpeft_lib.save(model, tmp_path)
    expected = logits(model, ids())
    torch.testing.assert_close(logits(ssmpeft_lib.load(build(family), tmp_path), ids()), expected, **CLOSE)
    torch.testing.assert_close(logits(ssmpeft_lib.merge(model), ids()), expected, **CLOSE)


@pytest.mark.parametrize(
    "family, target, says",
    [
        ("Mamba", "lm_head", "embedding and lm_head are one weight in this model"),
        ("Mamba2", "embedding", "embedding and lm_head are one weight in this model"),
        ("GraniteMoeHybrid", "input_linear", "the module input_linear has the slots gate_proj.up_proj"),
        ("Zamba2", "gate_up_proj", "the module gate_up_proj has the slots gate_proj.up_proj"),
        ("Bamba", "self_attn", "the module self_attn has the slots q_proj.k_proj.v_proj.o_proj"),
        ("Jamba", "feed_forward", "the module feed_forward has the slots"),
        ("Mamba", "q_proj", "no slot or group 'q_proj' in MambaForCausalLM"),
    ],
)
def test_names_of_modules_are_answered_with_their_slots(family, target, says):
    with pytest.raises(LookupError, match=says):
        ssmpeft_lib.adapt(build(family), f"lora@{target}")


def test_a_deep_s4_has_all_linear_layers_too():
    model = build_s4(d_model=8, d_state=4, n_layers=2)
    layers = sum(isinstance(module, nn.Linear) for module in model.modules())
    ssmpeft_lib.adapt(model, "lora@all-linear,rank=1")
    assert layers == sum(hasattr(module, "base_layer") for module in model.modules()) > 0


SHARED = {"num_hidden_layers": 4, "layers_block_type": ["mamba", "hybrid"] * 2, "hybrid_layer_ids": [1, 3]}


@pytest.mark.parametrize("through_peft", [False, True])
@pytest.mark.parametrize("method", ["lora@attention", "full@up_proj", "dora@mlp"])
def test_weights_that_layers_share_have_a_change_each_and_do_not_merge(method, through_peft, tmp_path):
    def adapted():
        model = tiny("Zamba2", **SHARED)
        if through_peft:
            return get_peft_model(model, ssmpeft_lib.SSMPeftConfig(method=method)).eval()
        return ssmpeft_lib.adapt(model, method)

    model = shake(adapted(), 0.1)
    before, values = logits(model, ids()), copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="share one weight and have a change each"):
        ssmpeft_lib.merge(model)
    assert all(torch.equal(tensor, values[name]) for name, tensor in model.state_dict().items())
    ssmpeft_lib.save(model, tmp_path)
    again = ssmpeft_lib.load(tiny("Zamba2", **SHARED), tmp_path)
    torch.testing.assert_close(logits(again, ids()), before, **CLOSE)
    report = ssmpeft_lib.doctor(model)
    assert report.healthy and report.checks["merged"].ok is None, str(report)


def test_what_is_shared_does_not_keep_the_rest_from_merging():
    model = shake(ssmpeft_lib.adapt(tiny("Zamba2", **SHARED), "lora@out_proj"), 0.1)
    expected = logits(model, ids())
    torch.testing.assert_close(logits(ssmpeft_lib.merge(model), ids()), expected, **CLOSE)
