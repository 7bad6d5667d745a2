"""Versions over one frozen model: losses and gradients of each are its own, or it is said that this cannot be done."""

from __future__ import annotations

import families
import pytest
import torch

from ssmpeft_lib.adapters.api import adapt
from ssmpeft_lib.training.vmapped import NotTogether, Together

METHODS = ["lora@linear", "sdlora,freeze_channels=0.5,freeze_states=0.5", "initial_state", "state_offset"]
ALSO = [
    ("Mamba", "additional_scan"),
    ("Mamba2", "parallel_adapter"),
    ("Mamba", "oft@out_proj"),
    ("Mamba", "vera,rank=4"),
]


def adapted(family, method):
    model = adapt(families.build(family), method).train()
    tokens = families.ids()
    return model, lambda: model(tokens, use_cache=False).logits.float().square().mean()


def versions_of(model, count=3):
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    generator = torch.Generator().manual_seed(3)

    def shaken(value):
        return (value.detach() + 0.1 * torch.randn(value.shape, generator=generator)).requires_grad_()

    return trained, [{name: shaken(value) for name, value in trained.items()} for _ in range(count)]


@pytest.mark.filterwarnings("ignore:training entries that no warm-up", "ignore:There is a performance drop")
@pytest.mark.parametrize(
    "family, method", [*((family, method) for family in families.FAMILIES for method in METHODS), *ALSO]
)
def test_losses_and_gradients_are_those_of_each_version_alone(family, method):
    model, loss = adapted(family, method)
    trained, versions = versions_of(model)
    torch.manual_seed(0)
    losses = Together(model).losses(loss, versions)
    losses.sum().backward()
    for found, version in zip(losses, versions, strict=True):
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(version[name])
        # the same dropout for every version
        torch.manual_seed(0)
        alone = loss()
        torch.testing.assert_close(found, alone, rtol=1e-5, atol=0)
        for name, gradient in zip(trained, torch.autograd.grad(alone, list(trained.values())), strict=True):
            scale = gradient.abs().max().clamp(min=1e-8)
            torch.testing.assert_close(version[name].grad / scale, gradient / scale, rtol=0, atol=2e-5, msg=name)


def test_what_vmap_cannot_do_is_said():
    model, loss = adapted("Mamba", "lora@linear")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(NotTogether, match="vmap"):
        Together(model).losses(lambda: loss() * loss().item(), versions_of(model)[1])
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    loss().backward()
