"""Affix-tuning: what a mixer computes behind tokens that stand in front of its input."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, build, ids, logits, shake

from ssmpeft_lib.adapters.api import adapt, merge
from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.adapters.count import params
from ssmpeft_lib.methods.affix import AffixStart
from ssmpeft_lib.models.s4 import MODELS
from ssmpeft_lib.models.s4 import build as build_s4

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def large(model):
    """The same model with tokens that no rounding hides."""
    for module in model.modules():
        if isinstance(module, AffixStart):
            torch.nn.init.normal_(module.vectors.prefix, generator=torch.Generator().manual_seed(3))
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_stand_in_front_of_the_mixers_input_and_are_dropped_behind_it(family):
    mixer = Backbone(large(adapt(build(family), "affix,tokens=4"))).mixers[0].module
    x = torch.randn(2, 6, mixer.hidden_size, generator=torch.Generator().manual_seed(0))
    tokens = mixer.start.deltas["default"].vectors().expand(2, -1, -1)
    with torch.no_grad():
        found = mixer(x)
        mixer.start.enabled = False
        torch.testing.assert_close(found, mixer(torch.cat([tokens, x], dim=1))[:, 4:], **CLOSE)
        assert (found - mixer(x)).abs().max() > 0.01 * found.abs().max()


def test_tokens_in_front_of_a_deep_s4_layer():
    layer = large(adapt(build_s4(**MODELS["s4-deep"]["stand_in"]), "affix,tokens=4")).layers[0]
    x = torch.randn(2, 6, layer.config.d_model, generator=torch.Generator().manual_seed(0))
    tokens = layer.start.deltas["default"].vectors().expand(2, -1, -1)
    with torch.no_grad():
        found = layer(x)
        layer.start.enabled = False
        torch.testing.assert_close(found, layer(torch.cat([tokens, x], dim=1))[:, 4:], **CLOSE)


def test_behind_in_proj_they_are_a_prefix():
    torch.manual_seed(0)
    affix = adapt(build("Mamba"), "affix,tokens=4,space=d_inner")
    torch.manual_seed(0)
    prefix = adapt(build("Mamba"), "prefix,tokens=4,mlp=false")
    torch.testing.assert_close(logits(affix, ids()), logits(prefix, ids()))


def test_what_it_trains():
    assert params("mamba-130m", "affix,tokens=3")["trainable"] == 24 * 3 * 768
    assert params("mamba-130m", "affix,tokens=3,space=d_inner")["trainable"] == 24 * 3 * 1536


@pytest.mark.parametrize(
    "method, says",
    [("affix,tokens=0", "tokens=0 must be at least 1"), ("affix,space=d_state", "must be d_model or d_inner")],
)
def test_what_cannot_be_is_refused(method, says):
    with pytest.raises(ValueError, match=says):
        adapt(build("Mamba"), method)


def test_it_is_not_merged():
    with pytest.raises(ValueError, match="cannot be merged into a weight"):
        merge(adapt(build("Mamba"), "affix"))


@pytest.mark.parametrize("method", ["full@A_log+D", "full@conv1d", "bitfit"])
def test_weight_decay_pulls_what_is_trained_in_full_to_its_pretrained_value(method):
    """Partial tuning of MambaPEFT, by any optimiser that decays: the pretrained model comes back, not zeros."""
    model = shake(adapt(build("Mamba"), method), 0.3)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.5, weight_decay=1.0)
    assert (logits(model, ids()) - logits(build("Mamba"), ids())).abs().max() > 1e-3
    for _ in range(60):
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        optimizer.step()
    torch.testing.assert_close(logits(model, ids()), logits(build("Mamba"), ids()), **CLOSE)
