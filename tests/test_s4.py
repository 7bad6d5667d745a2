"""Deep S4: against the authors' outputs, and its forms against each other."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from reference import shared

from ssmpeft_lib.adapters.api import adapt, count
from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.adapters.select_by_warmup import begin_warmup, select
from ssmpeft_lib.mixers.s4d import S4D, S4DConfig
from ssmpeft_lib.models.s4 import MODELS, DeepS4, build
from ssmpeft_lib.plan.registry import files
from ssmpeft_lib.theory.selection import Budget, select_dimensions

NOT_HERE = ("prompt", "pretrained", "additional_scan")
"""Methods that have no meaning on deep S4, or train nothing."""
ON_S4 = {
    "lora": "lora@linear,rank=2",
    "dora": "dora@linear,rank=2",
    "lora_plus": "lora_plus@linear,rank=2",
    "prefix": "prefix,tokens=2,hidden=4",
}
"""Method strings for a small network; a method that is not here is tested with its defaults."""

FORMS = ("convolution", "recurrence", "scan")


@pytest.fixture(scope="module")
def parity():
    """The authors' classifier with two layers, its input and its outputs."""
    file = np.load(shared("parity/case5_s4.npz"))
    return {name.removeprefix("default:"): torch.tensor(file[name]) for name in file}


@pytest.fixture
def network(parity):
    network = build(n_layers=2, d_model=8, d_state=4, d_input=1, d_output=10)
    network.load_state_dict({name[2:]: tensor for name, tensor in parity.items() if name.startswith("w:")})
    return network


@pytest.mark.parametrize("form", FORMS)
def test_outputs_are_the_authors(parity, network, form):
    torch.testing.assert_close(network(parity["x"], form=form), parity["y"], rtol=1e-4, atol=1e-5)


def test_kernel_is_the_authors(parity, network):
    kernel = network.layers[0].kernel.convolution_kernel(20)
    torch.testing.assert_close(kernel, parity["kernel0"], rtol=1e-4, atol=1e-5)


def test_outputs_with_lora_are_the_authors(parity, network):
    rank = len(parity["lora:0:lp:0"])
    adapt(network, f"lora@output_linear+log_A_real+A_imag+C,rank={rank},alpha={rank},dropout=0.0")
    for index, layer in enumerate(Backbone(network).mixers):
        for slot in Backbone(network).slots_of(layer, "ssm") + Backbone(network).slots_of(layer, "linear"):
            stored = "lp" if slot.name == "output_linear" else f"{slot.name}_adapter"
            if f"lora:{index}:{stored}:0" in parity:
                first, second = (parity[f"lora:{index}:{stored}:{part}"] for part in (0, 1))
                # on a linear layer the authors store the inner factor first
                B, A = (second, first) if stored == "lp" else (first, second)
                Backbone(network).delta(slot).load_state_dict({"lora_A": A, "lora_B": B})
    torch.testing.assert_close(network(parity["x"]), parity["y_lora"], rtol=1e-4, atol=1e-5)


def test_size_of_the_cifar_model():  # counted on the authors' class
    assert sum(p.numel() for p in build(**MODELS["s4-deep"]["config"]).parameters()) == 68874


@pytest.mark.parametrize("init", ["linear", "random"])
@pytest.mark.parametrize("domain", ["real", "complex"])
@pytest.mark.parametrize("discretization", ["zoh", "bilinear"])
@pytest.mark.parametrize("residual", ["before_projection", "after_projection"])
def test_forms_are_equal(domain, discretization, residual, init):
    torch.manual_seed(0)
    layer = S4D(S4DConfig(6, 5, domain, discretization, residual, "identity", init, input_vector=True)).double()
    with torch.no_grad():
        # large steps, where the bilinear transition of a real system is negative
        layer.kernel.log_dt += 5 if domain == "real" else 0
    x = torch.randn(2, 33, 6, dtype=torch.float64)
    state = torch.randn(2, 6, 5, dtype=torch.float64 if domain == "real" else torch.complex128)
    expected = layer(x, state, form="recurrence")
    for form in FORMS:
        torch.testing.assert_close(layer(x, state, form=form), expected, rtol=1e-10, atol=1e-10)
    # a state shared by the batch
    torch.testing.assert_close(layer(x, state[0])[0], expected[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("domain", ["real", "complex"])
def test_steps_are_the_sequence(domain):
    torch.manual_seed(0)
    layer = S4D(S4DConfig(4, 3, domain)).double()
    x = torch.randn(2, 9, 4, dtype=torch.float64)
    state = layer.kernel.new_state(2)
    steps = torch.stack([layer.step(x[:, n], state) for n in range(9)], dim=1)
    torch.testing.assert_close(steps, layer(x), rtol=1e-12, atol=1e-12)


def test_kernel_of_a_scalar_system_by_hand():
    layer = S4D(S4DConfig(1, 1, "real")).double()
    with torch.no_grad():
        for parameter, value in ((layer.kernel.log_A_real, np.log(2.0)), (layer.kernel.log_dt, np.log(0.1))):
            parameter.fill_(value)
        layer.kernel.C.fill_(3.0)
    # A = -2, step 0.1: A_bar = exp(-0.2), B_bar = (1 - exp(-0.2)) / 2
    expected = 3 * (1 - np.exp(-0.2)) / 2 * np.exp(-0.2 * np.arange(4))
    np.testing.assert_allclose(layer.kernel.convolution_kernel(4).detach().numpy()[0], expected, rtol=1e-12)


def test_residual_placements_by_hand():
    x = torch.randn(1, 5, 3)
    layers = {place: S4D(S4DConfig(3, 2, residual=place)) for place in ("before_projection", "after_projection")}
    for place, layer in layers.items():
        layer.load_state_dict(layers["before_projection"].state_dict())
        W, b, u = layer.output_linear.weight, layer.output_linear.bias, layer.D
        s4 = layer.kernel(x)
        y = (s4 + u * x) @ W.T + b if place == "before_projection" else s4 @ W.T + b + u * x
        torch.testing.assert_close(layer(x), torch.relu(y))


def test_gradients_flow_through_every_parameter():
    network = DeepS4(S4DConfig(4, 3, init="random", input_vector=True), n_layers=2)
    network(torch.randn(2, 7, 4)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_learned_initial_state_starts_every_layer():
    torch.manual_seed(0)
    network = DeepS4(S4DConfig(4, 3), n_layers=1)
    x = torch.randn(2, 7, 4)
    before = network(x)
    adapt(network, "initial_state")
    learned = network.layers[0].start.deltas["default"].initial_state
    torch.testing.assert_close(network(x), before)
    with torch.no_grad():
        learned.normal_()
    expected = network.layers[0](x, torch.view_as_complex(learned), form="recurrence")
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("domain, discretization", [("complex", "zoh"), ("real", "zoh"), ("real", "bilinear")])
def test_prefix_tuning_is_the_prefix_in_front_of_the_state_space_models(domain, discretization):
    torch.manual_seed(0)
    network = DeepS4(S4DConfig(4, 3, domain, discretization), n_layers=1).double()
    x = torch.randn(2, 7, 4, dtype=torch.float64)
    adapt(network, "prefix,tokens=5,mlp=false")
    layer = network.layers[0]
    vectors = layer.start.deltas["default"].vectors.prefix.detach()
    with_prefix = layer.kernel(torch.cat([vectors.expand(2, -1, -1), x], dim=1))[:, 5:]
    torch.testing.assert_close(layer(x), layer.project(x, with_prefix))


def test_sdt_by_slots_silences_and_trains_what_algorithm_1_says():
    """The library's SDT, against Algorithm 1 as the theory chapter has it."""
    torch.manual_seed(0)
    network = DeepS4(S4DConfig(16, 6, init="random"), n_layers=2)
    frozen = copy.deepcopy(network)
    adapt(network, "sdt,rule=paper,freeze_channels=4,freeze_states=2,zero_channels=8,zero_states=2")
    warmup = begin_warmup(network)
    with torch.no_grad():
        # only Im A moves, so that both measures of change agree
        for name, parameter in network.named_parameters():
            if "warmup" in name and ".A_imag." in name:
                parameter.normal_()
    warmed = copy.deepcopy(frozen)
    with torch.no_grad():
        for ours, theirs in zip(warmed.layers, network.layers, strict=True):
            ours.kernel.A_imag.copy_(theirs.kernel.A_imag)
    chosen = select(network, warmup)
    for index, name in enumerate(chosen):
        wanted = select_dimensions(frozen.layers[index].kernel, warmed.layers[index].kernel, Budget(8, 4, 4, 2))
        assert chosen[name].channels.tolist() == wanted.update_channels
        assert torch.equal(chosen[name].trained, wanted.trained((16, 6)))
        silenced = (network.layers[index].kernel.C == 0).all(-1)
        assert not (wanted.silenced((16, 6)) & ~silenced).any()


def test_adapter_counts():
    network = DeepS4(S4DConfig(8, 4), n_layers=2)
    assert count(adapt(network, "lora@output_linear,rank=2"))["trainable"] == 2 * 2 * (8 + 8)


@pytest.mark.parametrize(
    "option", [{"domain": "quaternion"}, {"discretization": "euler"}, {"residual": "no"}, {"init": "hippo"}]
)
def test_unknown_option_is_named(option):
    ((name, value),) = option.items()
    with pytest.raises(ValueError, match=f"{name} '{value}' is not one of"):
        S4DConfig(**option)


def test_unknown_form_is_named():
    with pytest.raises(ValueError, match="form 'fft' is not one of convolution, recurrence, scan"):
        S4D(S4DConfig(4, 3))(torch.randn(1, 5, 4), form="fft")


def test_encoder_without_decoder_is_refused():
    with pytest.raises(ValueError, match="both or neither"):
        build(n_layers=1, d_model=4, d_state=2, d_input=1)


@pytest.mark.parametrize("method", [name for name in files("methods") if name not in NOT_HERE])
def test_every_method_but_the_soft_prompt_trains_the_classifier(method):
    """Everything that is trained acts: it gets a gradient, or is not there, as the norms that are never applied."""
    torch.manual_seed(0)
    network = adapt(build(**MODELS["s4-deep"]["stand_in"]), ON_S4.get(method, method))
    network(torch.randn(2, 30, 1)).square().sum().backward()
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert trained and all(p.grad is not None for name, p in trained.items() if "norms" not in name), method


def test_bitfit_trains_all_biases_that_act():
    network = adapt(build(**MODELS["s4-deep"]["stand_in"]), "bitfit")
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trained == 64 + 2 * 64 + 10  # encoder, two layers, decoder


def test_a_soft_prompt_has_no_meaning_here_and_says_what_has():
    with pytest.raises(ValueError, match="embeds no tokens.*prefix"):
        adapt(build(**MODELS["s4-deep"]["stand_in"]), "prompt")
