"""What holds for every method on every family."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from families import FAMILIES, MAIN, build, ids, logits, shake
from torch import nn

from ssmpeft_lib.adapters.api import adapt, merge, parameter_groups, remove
from ssmpeft_lib.adapters.attach import AdaptedLinear, AdaptedParameter
from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.adapters.method import method_class
from ssmpeft_lib.adapters.mixed_class import _mixed
from ssmpeft_lib.plan.registry import files

CLOSE = {"rtol": 1e-4, "atol": 1e-5}

SMALL = {
    "lora": "lora@linear+ssm,rank=2,alpha=4",
    "dora": "dora@linear+ssm,rank=2,alpha=4",
    "lora_plus": "lora_plus@linear+ssm,rank=2,alpha=4",
    "ia3": "ia3@linear+ssm",
    "vera": "vera@linear+ssm,rank=3",
    "oft": "oft@linear+ssm,block_size=2",
    "miss": "miss@linear+ssm,rank=2",
    "prodial": "prodial@linear+ssm,rank=2,block_size=2",
    "full": "full@ssm+norm",
    "prefix": "prefix,tokens=2,hidden=4",
    "prompt": "prompt,tokens=2",
    "initial_state": "initial_state,conv_state=true",
    **{name: f"{name},freeze_channels=0.9,freeze_states=0.5" for name in ("sdt",)},
    **{name: f"{name},freeze_channels=0.9,freeze_states=0.5,rank=2" for name in ("sdlora", "sddora", "sdlora_plus")},
}
"""Method strings for tiny models; a method that is not here is tested with its defaults."""

PISSA = "lora@linear+conv1d,rank=2,rslora=true,pissa=true"
METHODS = [SMALL.get(name, name) for name in files("methods")] + [
    "lora@A_log,rank=2",
    "state_offset,low_rank=2",
    "affix,space=d_inner",
    PISSA,
    "dora@A_log+conv1d,rank=2",
    "full",
    "prefix,tokens=1,mlp=false",
    "lora@attention+mlp,rank=2",
    "dora@mlp+q_proj,rank=2",
    "sdlora,freeze_channels=0.9,freeze_states=0.5,rank=2,rule=paper,also=D.norm",
]
LATER = [SMALL.get(name, name) for name in files("methods") if method_class(name).published] + [PISSA]
"""Methods that came after the paper."""
ELSEWHERE = [SMALL.get(name, name) for name in ("initial_state", "lora", "lora_plus", "state_offset")]
"""Methods that are tried on the other families too, which have the same mixers."""
STATES = {
    *(
        "prompt",
        "prefix",
        "initial_state",
        "state_offset",
        "output_offset",
        "additional_scan",
        "parallel_adapter",
        "affix",
    ),
}
S6 = ("Mamba", "FalconMamba", "Jamba")
ONLY = {
    "additional_scan": S6,
    "@A_log": ("Mamba", "FalconMamba", "Jamba"),
    "@attention": ("Jamba",),
    "@mlp": ("Jamba",),
}
"""Families that have the slots which a method names: `A_log` of Mamba-2 is a vector and has no low-rank update."""


def cases(families=MAIN, methods=METHODS) -> list:
    return [
        pytest.param(family, method, id=f"{family}-{method}")
        for family in families
        for method in methods
        if all(family in having for slot, having in ONLY.items() if slot in method)
    ]


every = pytest.mark.parametrize("family, method", cases())


def name_of(method: str) -> str:
    return method.partition("@")[0].partition(",")[0]


def adapted(family: str, method: str) -> nn.Module:
    """An adapted model whose adapter is far from its start."""
    torch.manual_seed(0)
    return shake(adapt(build(family), method), 0.1)


@pytest.mark.parametrize("family, method", [*cases(), *cases([f for f in FAMILIES if f not in MAIN], ELSEWHERE)])
def test_adapted_model_starts_as_the_pretrained_one(family, method):
    torch.manual_seed(0)
    model = adapt(build(family), method)
    if name_of(method) not in ("prompt", "prefix", "affix"):
        torch.testing.assert_close(logits(model, ids()), logits(build(family), ids()), **CLOSE)


@every
def test_training_moves_what_is_asked_for_and_nothing_else(family, method):
    torch.manual_seed(0)
    model = adapt(build(family), method).train()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    trainable = [p for p in model.parameters() if p.requires_grad]
    if not trainable:
        return
    optimizer = torch.optim.Adam(trainable, lr=0.01)
    # the second step moves what meets a zero in the first, such as lora_A
    for _ in range(2):
        optimizer.zero_grad()
        model(ids(), labels=ids()).loss.backward()
        optimizer.step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    expected = {name for name, p in model.named_parameters() if p.requires_grad}
    still = {name for name in expected - moved if not _may_rest(name)}
    assert moved <= expected and not still
    assert all(torch.equal(b, buffers[name]) for name, b in model.named_buffers())


def _may_rest(name: str) -> bool:
    # the embedding of a special token, or an expert that no token was sent to
    return "experts" in name or "shared_transformer" in name


@pytest.mark.parametrize("weights", [torch.bfloat16, torch.float32], ids=["bf16", "autocast"])
@every
def test_training_in_bfloat16(family, method, weights):
    """Weights in bfloat16, and autocast to it over weights in float32."""
    torch.manual_seed(0)
    model = adapt(build(family).to(weights), method).train()
    with torch.autocast("cpu", torch.bfloat16, enabled=weights == torch.float32):
        loss = model(ids(), labels=ids()).loss
    assert loss.isfinite()
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if trainable:
        loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for name, p in trainable.items() if not _may_rest(name))


@every
def test_only_the_named_slots_change(family, method):
    model = adapted(family, method)
    if method == "full" or name_of(method) in STATES:
        return
    present = {slot.path + slot.name: slot for slot in Backbone(model).all_slots()}
    changed = {
        slot.name
        for slot in present.values()
        if not torch.equal(slot.region.of(slot.effective.detach()), slot.block.detach())
    }
    carried = {
        slot
        for module in model.modules()
        if isinstance(module, AdaptedLinear | AdaptedParameter)
        for slot in module.deltas["default"]
    }
    assert changed == carried


@pytest.mark.parametrize("family, method", [p for p in cases() if name_of(p.values[1]) not in STATES])
def test_merged_equals_unmerged(family, method):
    model = adapted(family, method)
    expected = logits(model, ids())
    merged = merge(model)
    assert merged.state_dict().keys() == build(family).state_dict().keys()
    assert all(type(ours) is type(stock) for ours, stock in zip(merged.modules(), build(family).modules(), strict=True))
    torch.testing.assert_close(logits(merged, ids()), expected, **CLOSE)


@every
def test_cached_generation_equals_full_forward(family, method):
    model = adapted(family, method)
    tokens, mask = ids(), torch.ones_like(ids())
    tokens[1, :3], mask[1, :3] = 0, 0
    options = {"max_new_tokens": 4, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
    cached, full = (
        model.generate(tokens, attention_mask=mask, **options, use_cache=use_cache) for use_cache in (True, False)
    )
    assert torch.equal(cached.sequences, full.sequences)
    torch.testing.assert_close(torch.stack(cached.logits), torch.stack(full.logits), rtol=1e-3, atol=1e-4)


@every
def test_copies_are_independent(family, method):
    model = adapted(family, method)
    expected = logits(model, ids())
    other = copy.deepcopy(model)
    shake(model, 0.5)
    torch.testing.assert_close(logits(other, ids()), expected, rtol=0, atol=0)


@every
def test_a_pickled_model_is_the_adapted_model(family, method):
    model = adapted(family, method)
    file = io.BytesIO()
    torch.save(model, file)
    # as in a process that has not made the mixers' classes yet
    _mixed.cache_clear()
    other = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
    assert torch.equal(logits(other, ids()), logits(model, ids()))
    assert str(other) == str(model) and other.ssmpeft == model.ssmpeft
    trainable = [[name for name, p in m.named_parameters() if p.requires_grad] for m in (model, other)]
    assert trainable[0] == trainable[1]
    if method != "full":
        torch.testing.assert_close(logits(remove(other), ids()), logits(build(family), ids()), **CLOSE)


@pytest.mark.parametrize("family, method", cases(methods=[m for m in METHODS if m != "full" and m != "pretrained"]))
def test_gradients_are_those_of_finite_differences(family, method):
    """In float64, through one mixer; the norms around and in it, which compute in float32, are left out."""
    model = adapted(family, method).double()
    torch.manual_seed(0)
    if name_of(method) == "prompt":
        return
    mixer = Backbone(model).mixers[0].module
    for name, module in list(mixer.named_modules()):
        if "norm" in type(module).__name__.lower():
            parent, _, attribute = name.rpartition(".")
            setattr(mixer.get_submodule(parent), attribute, Gate() if attribute == "norm" else nn.Identity())
    x = torch.randn(1, 5, model.config.hidden_size, dtype=torch.float64)
    direction = torch.randn(1, 5, model.config.hidden_size, dtype=torch.float64)
    for name, parameter in mixer.named_parameters():
        # DoRA's gradient for lora_A and lora_B holds the norm constant, by definition
        if not parameter.requires_grad or ("dora" in method and "lora_" in name):
            continue
        step = torch.randn_like(parameter)
        value = lambda: (mixer(x) * direction).sum()  # noqa: B023, E731
        (slope,) = torch.autograd.grad(value(), parameter, allow_unused=True)
        with torch.no_grad():
            parameter += 1e-6 * step
            above = value()
            parameter -= 2e-6 * step
            below = value()
            parameter += 1e-6 * step
        estimate = float(above - below) / 2e-6
        assert estimate == pytest.approx(float((slope * step).sum()), rel=1e-4, abs=1e-6), name


class Gate(nn.Module):
    """A gated norm without the norm."""

    def forward(self, y, z):
        return y * nn.functional.silu(z)


def test_a_model_without_ssm_layers_is_refused():
    with pytest.raises(ValueError, match="Sequential has no SSM layers.*s4d, s6, ssd"):
        adapt(nn.Sequential(nn.Linear(2, 2)), "lora")


def test_lora_plus_trains_lora_b_faster():
    model = adapt(build("Mamba"), "lora_plus@out_proj,ratio=8,also=D")
    groups = {group["lr"]: group["params"] for group in parameter_groups(model, 1e-3)}
    names = {id(p): name for name, p in model.named_parameters()}
    assert sorted(groups) == [1e-3, 8e-3]
    assert all(names[id(p)].endswith("lora_B") for p in groups[8e-3]) and len(groups[8e-3]) == 2
    assert sum(len(group) for group in groups.values()) == sum(p.requires_grad for p in model.parameters())
    assert len(parameter_groups(adapt(build("Mamba"), "lora"), 1e-3)) == 1
