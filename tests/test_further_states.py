"""Additional-scan and parallel adapters: their definitions, written out."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, build, ids, logits, shake
from torch.nn import functional as F

from ssmpeft_lib.adapters.api import adapt, merge, remove
from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.adapters.count import params
from ssmpeft_lib.models.s4 import MODELS
from ssmpeft_lib.models.s4 import build as build_s4

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
S6 = ("Mamba", "FalconMamba", "Jamba")


def mixer_of(family: str, method: str):
    return Backbone(shake(adapt(build(family), method), 0.3)).mixers[0].module


def test_further_states_are_states_of_a_larger_mixer():
    """The same as a Mamba with a larger state size, whose weights hold the further entries."""
    model = shake(adapt(build("Mamba"), "additional_scan,states=3"), 0.3)
    larger = build("Mamba", state_size=8 + 3)
    values = {name: p for name, p in model.state_dict().items() if ".deltas." not in name}
    for part in Backbone(model).mixers:
        more, rank = part.module.further.deltas["default"], part.module.time_step_rank
        dt, B, C = values[f"{part.path}.x_proj.weight"].split([rank, 8, 8])
        rows = [dt, B, more.x_proj_B.values, C, more.x_proj_C.values]
        values[f"{part.path}.x_proj.weight"] = torch.cat(rows)
        values[f"{part.path}.A_log"] = torch.cat([values[f"{part.path}.A_log"], more.A_log.values], dim=1)
    larger.load_state_dict(values)
    torch.testing.assert_close(logits(model, ids()), logits(larger, ids()), **CLOSE)
    assert (logits(model, ids()) - logits(build("Mamba"), ids())).abs().max() > 1e-2


@pytest.mark.parametrize("family", S6)
def test_further_states_begin_as_the_first_state_and_are_not_read(family):
    mixer = Backbone(adapt(build(family), "additional_scan,states=3")).mixers[0].module
    more = mixer.further.deltas["default"]
    assert torch.equal(more.A_log.values, mixer.A_log[:, :1].expand(-1, 3))
    assert not more.x_proj_C.values.any() and more.x_proj_B.values.any()


def test_counts_are_those_of_the_paper():
    """Kang et al. (2025), Table 1: 884,736 with 8 further states on Mamba-130M."""
    counted = params("mamba-130m", "additional_scan,states=8")
    assert counted["trainable"] == 884_736
    assert {slot: one["parameters"] for slot, one in counted["slots"].items()} == dict.fromkeys(
        ("A_log", "x_proj_B", "x_proj_C"), 24 * 1536 * 8
    )
    beside = params("mamba-130m", "parallel_adapter,width=32")["trainable"]
    assert beside == 24 * (2 * 768 * 32 + 32 + 768)


@pytest.mark.parametrize("model, kind", [("Mamba2", "Mamba2Mixer"), ("Bamba", "BambaMixer"), ("S4", "S4D")])
def test_mixers_that_take_no_further_states_say_so(model, kind):
    network = build_s4(**MODELS["s4-deep"]["stand_in"]) if model == "S4" else build(model)
    with pytest.raises(ValueError, match=f"{kind}.* cannot take further states"):
        adapt(network, "additional_scan")


@pytest.mark.parametrize("with_start", ["initial_state", "prefix,tokens=2,mlp=false", "state_offset"])
def test_further_states_beside_another_adapter_that_knows_nothing_of_them(with_start):
    """Two adapters in peft: the start or offset of the one is that of the frozen states alone."""
    from peft import get_peft_model

    from ssmpeft_lib import SSMPeftConfig

    model = get_peft_model(build("Mamba"), SSMPeftConfig(method=with_start), adapter_name="a").eval()
    model.add_adapter("b", SSMPeftConfig(method="additional_scan,states=3"))
    model.base_model.set_requires_grad(["a", "b"])
    shake(model, 0.3)
    model.base_model.set_adapter("a")
    alone = logits(model, ids())
    model.base_model.set_adapter(["a", "b"])
    both = logits(model, ids())
    assert (both - alone).abs().max() > 1e-3
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "x_proj_C" in name:
                p.zero_()
    torch.testing.assert_close(logits(model, ids()), alone, **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_parallel_adapter_is_added_to_the_mixers_output(family):
    mixer = mixer_of(family, "parallel_adapter,width=5,scale=0.3")
    x = torch.randn(2, 6, mixer.hidden_size, generator=torch.Generator().manual_seed(0))
    network = mixer.beside.deltas["default"]
    with torch.no_grad():
        found = mixer(x)
        mixer.beside.enabled = False
        hidden = torch.relu(F.linear(x, network.down, network.down_bias))
        torch.testing.assert_close(found, mixer(x) + 0.3 * F.linear(hidden, network.up, network.up_bias), **CLOSE)


def test_a_parallel_adapter_beside_deep_s4_acts_in_every_form_and_step_by_step():
    network = shake(adapt(build_s4(**MODELS["s4-deep"]["stand_in"]), "parallel_adapter,width=5"), 0.5)
    layer = network.layers[0]
    x = torch.randn(2, 7, layer.config.d_model, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, state = layer(x), layer.kernel.new_state(2)
        for form in ("recurrence", "scan"):
            torch.testing.assert_close(layer(x, form=form), expected, **CLOSE)
        steps = [layer.step(x[:, t], state) for t in range(7)]
        torch.testing.assert_close(torch.stack(steps, dim=1), expected, **CLOSE)
        layer.beside.enabled = False
        assert (layer(x) - expected).abs().max() > 1e-3


@pytest.mark.parametrize(
    "method, says",
    [
        ("additional_scan", "further states, for which the weights have no room"),
        ("parallel_adapter", "a network beside"),
    ],
)
def test_neither_is_merged(method, says):
    model = shake(adapt(build("Mamba"), method), 0.3)
    with pytest.raises(ValueError, match=f"{says}.* cannot be merged into a weight"):
        merge(model)
    torch.testing.assert_close(logits(remove(model), ids()), logits(build("Mamba"), ids()), **CLOSE)


@pytest.mark.parametrize(
    "method, says",
    [
        ("additional_scan,states=0", "states=0 must be at least 1"),
        ("parallel_adapter,width=0", "width=0 must be at least 1"),
        ("parallel_adapter,scale=0.0", "or the adapter does nothing"),
    ],
)
def test_what_cannot_be_is_refused(method, says):
    with pytest.raises(ValueError, match=says):
        adapt(build("Mamba"), method)
