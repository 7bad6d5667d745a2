"""Outputs of the authors' own code on random weights: selections exactly, floats to rtol 1e-4 and atol 1e-5."""

from __future__ import annotations

import json

import numpy
import pytest
import torch
from reference import shared
from torch import nn
from torch.nn import functional as F
from transformers import MambaConfig, MambaForCausalLM

from ssmpeft_lib.adapters.api import adapt
from ssmpeft_lib.adapters.selection.budget import Budget, select
from ssmpeft_lib.adapters.sparse import Sparse, SparseOrSilent
from ssmpeft_lib.methods.sdt import select_dimensions
from ssmpeft_lib.ops import causal_conv1d, selective_scan

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def load(name: str) -> dict[str, torch.Tensor]:
    with numpy.load(shared(f"parity/{name}.npz")) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


@pytest.mark.parametrize("case", ["c0", "c1", "c2", "c3", "c7"])
def test_selection(case):
    """Channels and states in the authors' order, their masks, and the weights with the masks filled."""
    data = {key.removeprefix(f"{case}_"): value for key, value in load("case1_sdt_select").items()}
    meta = next(
        m for m in json.loads(shared("parity/meta.json").read_text(encoding="utf-8"))["case1"] if m["case"] == case
    )
    shares = (meta["freeze_channel"], meta["freeze_state"], meta["zero_channel"])
    change = data["delta_A_log"]
    budget = Budget.of(tuple(change.shape), *shares)
    found = select(change.square(), budget)
    assert torch.equal(found.channels, data["channels_train"])
    assert torch.equal(found.states, data["states_train"])
    assert torch.equal(found.silent_channels, data["channels_zero"])
    assert torch.equal(select_dimensions(change, *shares), data["mask_A"])
    assert torch.equal(found.columns.t(), data["mask_B"])
    assert torch.equal(found.silent, data["zero_mask_A"])

    A_log = SparseOrSilent(tuple(change.shape), int(data["mask_A"].sum()), int(found.silent.sum()), 10.0)
    A_log.choose(found.trained)
    A_log.silence(found.silent)
    fill(A_log, change.shape, data["mask_A"], data["adapter_A"])
    torch.testing.assert_close(data["A_log"] + A_log.change(data["A_log"]), data["A_log_eff"], **CLOSE)
    for name in ("B", "C"):
        weight = data[f"W_{name}"]
        delta = Sparse(tuple(weight.shape), int(data["mask_B"].sum()))
        delta.choose(data["mask_B"])
        fill(delta, weight.t().shape, data["mask_B"].t(), data[f"adapter_{name}"])
        hidden, up = delta.factors(data["x"])
        torch.testing.assert_close(F.linear(data["x"], weight) + F.linear(hidden, up), data[f"y{name}"], **CLOSE)


def fill(delta: Sparse, shape: tuple[int, int], mask: torch.Tensor, values: torch.Tensor) -> None:
    """Give a delta the authors' values, which they hold row by row of the transposed (d_state, d_inner) layout."""
    whole = torch.zeros(shape).t().masked_scatter(mask.t(), values).t()
    whole = whole if delta.shape == tuple(shape) else whole.t()
    with torch.no_grad():
        delta.values.copy_(whole.flatten()[delta.indices])


@pytest.mark.parametrize("suffix", ["", "_no_init"])
def test_initial_state(suffix):
    """Their scan with one prepended token for each state."""
    case = load("case2_init_state")
    inputs = [case[name] for name in ("u", "dt_pre_softplus", "A", "B", "C", "D", "z")]
    initial = None if suffix else case["h0"][None]
    y, last = selective_scan(*inputs, delta_softplus=True, initial_state=initial, return_last_state=True)
    torch.testing.assert_close(y, case["y" + suffix], **CLOSE)
    torch.testing.assert_close(last, case["last_state" + suffix], **CLOSE)


def test_initial_columns():
    case = load("case2_init_state")
    out = causal_conv1d(case["u"], case["conv_weight"][:, 0], case["conv_bias"], None, case["conv_init"][None])
    torch.testing.assert_close(out, case["conv_out"], **CLOSE)


@pytest.fixture
def tiny() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    case = load("case3_lm_adapters")
    config = MambaConfig(hidden_size=32, num_hidden_layers=2, vocab_size=64, state_size=16, time_step_rank=2)
    model = MambaForCausalLM(config).eval()
    weights = {key[2:]: value for key, value in case.items() if key.startswith("w:")}
    model.load_state_dict({key.replace("embedding.", "embeddings."): value for key, value in weights.items()})
    return model, case


def test_language_model_with_lora(tiny):
    model, case = tiny
    adapt(model, "lora@linear+ssm,rank=2,alpha=2")
    theirs = {key.split(":", 1)[1]: value for key, value in case.items() if key.startswith("lora_all:")}
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert len(theirs) == len(parameters)
    for name, parameter in parameters.items():
        *path, _, _, slot, matrix = name.split(".")
        where = slot if slot in ("out_proj", "dt_proj") else f"{slot.rpartition('_')[0]}.{slot}"
        key = f"base_model.model.{'.'.join(path[:-1])}.{where}.{matrix}.default.weight"
        parameter.data.copy_(theirs[key])
    torch.testing.assert_close(model(case["ids"]).logits, case["logits_lora_all"], **CLOSE)


def test_language_model_with_bitfit(tiny):
    model, case = tiny
    torch.testing.assert_close(adapt(model, "bitfit")(case["ids"]).logits, case["logits_base"], **CLOSE)
    theirs = {key.split(":", 1)[1]: value for key, value in case.items() if key.startswith("bitfit:")}
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert len(theirs) == len(parameters) == 4
    for name, parameter in parameters.items():
        layer = name.split("mixer.")[0]
        module = "conv1d" if "conv1d" in name else "dt_proj"
        owner = model.get_submodule(f"{layer}mixer.{module}")
        bias = owner._parameters["bias"]
        parameter.data.copy_(theirs[f"base_model.model.{layer}mixer.{module}.bitfit_bias.default"] - bias)
    torch.testing.assert_close(model(case["ids"]).logits, case["logits_bitfit"], **CLOSE)
