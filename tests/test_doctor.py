"""The doctor finds what stock peft does wrong on SSMs, and nothing in this library's adapters."""

from __future__ import annotations

import json

import pytest
import torch
from families import MAIN, build, ids, logits, shake
from peft import LoraConfig, PeftModel, get_peft_model
from test_contracts import LATER, SMALL, cases
from transformers import MambaConfig, MambaForCausalLM

from ssmpeft_lib import SSMPeftConfig, adapt, doctor, export_lora
from ssmpeft_lib.__main__ import main
from ssmpeft_lib.checkup.fused import fused_kernels
from ssmpeft_lib.checkup.stock import adapt_with_stock_peft
from ssmpeft_lib.models.s4 import build as build_s4


def wrong(model) -> set[str]:
    return {name for name, check in doctor(model).checks.items() if check.ok is False}


@pytest.mark.parametrize(
    "family, method",
    cases(methods=["lora", "dora", "bitfit", "full", "prompt", "prefix", "initial_state", "sdlora", *LATER]),
)
def test_our_adapters_are_healthy(family, method):
    report = doctor(adapt(build(family), SMALL.get(method, method)))
    assert report.healthy, str(report)
    assert not report.checks["gradients_fused"].tensors and report.by == "ssmpeft_lib"


@pytest.mark.parametrize("family", [*MAIN, "GraniteMoeHybrid"])
def test_rounding_is_not_taken_for_a_fault(family):
    model = adapt(build(family).to(torch.bfloat16), "lora@in_proj_x+out_proj,rank=8")
    report = doctor(model)
    assert report.healthy, str(report)
    # float64 through and through, also where transformers computes in float32
    assert all(check.difference is None for check in report.checks.values())
    assert {p.dtype for name, p in model.named_parameters() if not p.requires_grad} == {torch.bfloat16}


def test_depth_is_not_taken_for_a_fault():
    torch.manual_seed(0)
    deep = MambaForCausalLM(MambaConfig(hidden_size=128, num_hidden_layers=12, vocab_size=64))
    report = doctor(adapt(deep, "lora@in_proj_x+out_proj,rank=8"))
    assert report.healthy, str(report)


def test_our_adapters_are_healthy_in_peft():
    report = doctor(get_peft_model(build("Mamba"), SSMPeftConfig(method="lora@linear+ssm+A_log,rank=2")))
    assert report.healthy and report.checks["layers"].found == "2 of 2"


FUSED = {"gradients_fused", "training_fused"}


@pytest.mark.parametrize(
    "family, method, expected",
    [
        ("Mamba", "lora@in_proj", set()),
        ("Mamba", "lora@dt_proj", {"gradients", "gradients_fused", "merged"}),
        ("Mamba", "lora@x_proj", FUSED),
        ("FalconMamba", "lora@in_proj+x_proj+dt_proj", {"gradients", "merged"} | FUSED),
        ("Mamba", "lora@in_proj+A_log", {"merged"}),
        ("Mamba", "prompt,tokens=2", {"cached"}),
        ("Mamba2", "prompt,tokens=2", {"cached"}),
        ("Mamba", "prefix,tokens=2,hidden=4", {"gradients", "gradients_fused"}),
        ("Jamba", "lora@dt_proj", {"gradients", "gradients_fused", "merged"}),
        ("Jamba", "lora@out_proj", set()),
        ("Bamba", "lora@out_proj", FUSED),
        ("GraniteMoeHybrid", "lora@out_proj", FUSED),
    ],
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weights", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_stock_peft(family, method, expected, weights):
    # peft adds to A_log in the type of A_log
    rounded = {"precision"} if weights == torch.bfloat16 and "A_log" in method else set()
    assert wrong(adapt_with_stock_peft(build(family).to(weights), method)) == expected | rounded


@pytest.mark.parametrize("family", ["Mamba", "Bamba"])
def test_documents_that_see_each_other_are_found(family, monkeypatch):
    model = adapt(build(family), "lora@out_proj")
    assert doctor(model).checks["packed"].ok
    monkeypatch.setattr("ssmpeft_lib.adapters.packed.documents_of", lambda *_: None)
    monkeypatch.setattr("ssmpeft_lib.mixers._forward.documents_of", lambda *_: None)
    assert wrong(model) == {"packed"}


def test_an_error_in_a_foreign_adapter_is_a_finding():
    report = doctor(get_peft_model(build("Jamba"), LoraConfig(target_parameters=["mamba.A_log"], target_modules=[])))
    assert "ParamWrapper.forward() missing" in report.checks["gradients"].found


def test_names_of_the_dead_and_the_layers_covered():
    config = LoraConfig(target_modules=["in_proj", "dt_proj"], layers_to_transform=[1], layers_pattern="layers")
    report = doctor(get_peft_model(build("Mamba"), config))
    assert report.checks["layers"].found == "1 of 2"
    assert len(report.checks["gradients"].tensors) == 2
    assert all("layers.1.mixer.dt_proj.lora" in name for name in report.checks["gradients"].tensors)
    assert "layers.1.mixer.dt_proj.lora_A" in str(report) and "does not do what its name says" in str(report)


def test_the_examined_model_stays_as_it_is():
    model = adapt(build("Mamba"), "lora@out_proj").train()
    before, output = {name: p.clone() for name, p in model.named_parameters()}, str(model)
    doctor(model)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert str(model) == output and model.training and all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("family", ["Mamba", "FalconMamba", "Mamba2", "FalconH1", "GraniteMoeHybrid"])
def test_simulated_kernels_compute_what_transformers_computes(family):
    model = build(family)
    with fused_kernels(model) as there:
        assert there
        fused = logits(model.train(), ids(), use_cache=False)
    torch.testing.assert_close(fused, logits(model.eval(), ids()), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_examined_is_refused():
    with pytest.raises(ValueError, match="no trainable tensor"):
        doctor(adapt(build("Mamba"), "pretrained"))
    with pytest.raises(ValueError, match="generates no text"):
        doctor(adapt(build_s4(n_layers=1, d_model=4, d_state=2), "lora,rank=2"))


def test_command_prints_a_table_and_one_json_object(capsys):
    assert main(["doctor", "mamba-130m", "lora@dt_proj", "--stock-peft"]) == 0
    output = capsys.readouterr()
    report = json.loads(output.out)
    assert not report["healthy"] and len(report["checks"]["gradients"]["tensors"]) == 4
    assert "4 of 4 get no gradient" in output.err
    assert main(["doctor", "mamba-130m", "lora@out_proj", "--stock-peft", "--strict"]) == 1
    assert (
        "is incompatible with Mamba-based models" in json.loads(capsys.readouterr().out)["checks"]["adapted"]["found"]
    )


@pytest.mark.parametrize("family", MAIN)
@pytest.mark.parametrize("through_peft", [False, True], ids=["alone", "peft"])
def test_exported_lora_is_a_stock_adapter(family, through_peft, tmp_path):
    method = "lora@in_proj,rank=2,alpha=6" + (",also=D" if family == "Mamba" else "")
    model = build(family)
    model = get_peft_model(model, SSMPeftConfig(method=method)).eval() if through_peft else adapt(model, method)
    shake(model, 0.1)
    exported = export_lora(model, tmp_path)
    assert len(exported.layers) == 2 and all("in_proj" in name for name in exported.layers)
    stock = PeftModel.from_pretrained(build(family), tmp_path).eval()
    if family == "Mamba":
        # what peft has no counterpart for is named, and is all that differs
        assert len(exported.left_out) == 2 and all("D" in name for name in exported.left_out)
        for name, module in list(model.named_modules()):
            if name.endswith("D_adapter"):
                module.deltas["default"]["D"].delta.data.zero_()
    torch.testing.assert_close(logits(stock, ids()), logits(model, ids()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method, why", [("lora@dt_proj", "without calling it"), ("lora@out_proj", "peft refuses")])
def test_lora_without_a_counterpart_is_not_exported(method, why, tmp_path):
    with pytest.raises(ValueError, match=why):
        export_lora(adapt(build("Mamba"), method), tmp_path)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
def test_changes_that_half_precision_rounds_away_are_seen(kind):
    assert wrong(adapt(build("Mamba").to(kind), "full")) == {"precision"}
    for method in ("full@A_log+D", "bitfit", SMALL["sdlora"], "lora@linear"):
        report = doctor(adapt(build("Mamba").to(kind), method))
        assert report.healthy, str(report)
    stock = LoraConfig(target_modules=["in_proj"], target_parameters=["mixer.A_log"])
    found = doctor(get_peft_model(build("Mamba").to(kind), stock)).checks["precision"]
    assert found.ok is False and all("A_log" in name for name in found.tensors) and found.tensors
    assert doctor(get_peft_model(build("Mamba"), stock)).checks["precision"].ok
