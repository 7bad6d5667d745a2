"""S0 tuning: initial states with a penalty in training and a scale in evaluation."""

from __future__ import annotations

import copy

import pytest
import torch
from families import MAIN, build, ids, logits, shake

from ssmpeft_lib.adapters.api import adapt
from ssmpeft_lib.adapters.inputs.starts import LearnedStart
from ssmpeft_lib.adapters.storage import load, save
from ssmpeft_lib.training.vmapped import Together


def states(model) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("family", MAIN)
def test_scale_acts_in_evaluation_only(family, tmp_path):
    plain, scaled = (shake(adapt(build(family), m), 0.5) for m in ("initial_state", "initial_state,scale=0.25"))
    torch.testing.assert_close(logits(scaled.train(), ids()), logits(plain.train(), ids()))
    save(scaled.eval(), tmp_path)
    found = logits(scaled, ids())
    assert (found - logits(plain.eval(), ids())).abs().max() > 1e-3
    torch.testing.assert_close(logits(load(build(family), tmp_path), ids()), found, rtol=0, atol=0)
    with torch.no_grad():
        for state in states(plain).values():
            state *= 0.25
    torch.testing.assert_close(found, logits(plain, ids()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("together", [False, True], ids=["alone", "versions at once"])
@pytest.mark.parametrize("family", ["Mamba", "Mamba2"])
def test_l2_adds_the_gradient_of_the_squares(family, together):
    model = shake(adapt(build(family), "initial_state,conv_state=true,l2=0.3"), 0.5).train()
    plain = copy.deepcopy(model)
    for module in plain.modules():
        if isinstance(module, LearnedStart):
            module.l2 = 0.0
    loss = plain(ids(), labels=ids()).loss + 0.3 * sum(p.square().sum() for p in states(plain).values())
    loss.backward()
    expected = {name: p.grad for name, p in states(plain).items()}
    if together:
        versions = [{name: p.detach().clone().requires_grad_() for name, p in states(model).items()} for _ in "ab"]
        Together(model).losses(lambda: model(ids(), labels=ids(), use_cache=False).loss, versions).sum().backward()
        found = {name: p.grad for name, p in versions[1].items()}
    else:
        value = model(ids(), labels=ids()).loss
        # the loss itself is that of the task
        torch.testing.assert_close(value, plain(ids(), labels=ids()).loss)
        value.backward()
        found = {name: p.grad for name, p in states(model).items()}
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_a_negative_penalty_is_refused():
    with pytest.raises(ValueError, match="l2=-1.0 must be at least 0"):
        adapt(build("Mamba"), "initial_state,l2=-1.0")
