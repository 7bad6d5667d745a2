"""What an adapted model saves: its adapter, which loads again, and never a folder that passes for another model."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from families import FAMILIES, build, ids, logits, shake
from peft import PeftModel
from safetensors.torch import load_model, save_model
from test_contracts import METHODS, cases, name_of
from torch import nn
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

import ssmpeft_lib
from ssmpeft_lib.adapters.sparse import Sparse

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
FEW = ["lora@linear,rank=2", "bitfit", "sdlora,freeze_channels=0.9,freeze_states=0.5", "prompt,tokens=2"]
SDT = [method for method in METHODS if name_of(method).startswith("sd")]


def adapted(family: str, method: str) -> nn.Module:
    torch.manual_seed(0)
    return shake(ssmpeft_lib.adapt(build(family), method), 0.1)


@pytest.mark.parametrize("family, method", cases(FAMILIES, [*FEW, "initial_state", "full@ssm+norm"]))
def test_save_pretrained_writes_an_adapter(family, method, tmp_path):
    model = adapted(family, method)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))["peft_type"] == "SSMPEFT"
    loaded = ssmpeft_lib.load(build(family), tmp_path)
    torch.testing.assert_close(logits(loaded, ids()), logits(model, ids()), **CLOSE)
    through_peft = PeftModel.from_pretrained(build(family), tmp_path).eval()
    torch.testing.assert_close(logits(through_peft, ids()), logits(model, ids()), **CLOSE)
    # without the name of a base model, the folder is not taken for a model
    with pytest.raises((OSError, TypeError, ValueError)):
        AutoModelForCausalLM.from_pretrained(tmp_path)


@pytest.mark.parametrize("method", ["full", "pretrained"])
def test_a_model_without_deltas_is_saved_whole(method, tmp_path):
    model = adapted("Mamba", method)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    torch.testing.assert_close(logits(loaded, ids()), logits(model, ids()), **CLOSE)


@pytest.mark.parametrize("family", ["Mamba", "Jamba"])
def test_a_merged_model_is_saved_whole(family, tmp_path):
    model = adapted(family, "lora@linear,rank=2")
    expected = logits(model, ids())
    merged = ssmpeft_lib.merge(model)
    merged.save_pretrained(tmp_path)
    assert type(merged) is type(build(family)) and not (tmp_path / "adapter_config.json").exists()
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    torch.testing.assert_close(logits(loaded, ids()), expected, **CLOSE)


@pytest.mark.parametrize("method", FEW)
def test_other_ways_to_save_weights_do_not_load_into_a_plain_model(method, tmp_path):
    model = adapted("Mamba", method)
    save_model(model, str(tmp_path / "whole.safetensors"))
    with pytest.raises(RuntimeError, match="Unexpected key|unexpected|Missing key"):
        build("Mamba").load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="Unexpected key|unexpected|Missing key"):
        load_model(build("Mamba"), str(tmp_path / "whole.safetensors"))
    other = ssmpeft_lib.adapt(build("Mamba"), method)
    load_model(other, str(tmp_path / "whole.safetensors"))
    torch.testing.assert_close(logits(other, ids()), logits(model, ids()), rtol=0, atol=0)


def test_pushing_to_the_hub_uploads_the_adapter(tmp_path, monkeypatch):
    model, seen = adapted("Mamba", "lora@out_proj"), {}
    hub = SimpleNamespace(create_repo=lambda repo_id, **_: SimpleNamespace(repo_id=repo_id))
    monkeypatch.setattr("transformers.utils.hub.hf_api", lambda: hub)

    def upload(self, working_dir, repo_id, *args, **kwargs):
        seen[repo_id] = ssmpeft_lib.load(build("Mamba"), working_dir)

    monkeypatch.setattr(type(build("Mamba")), "_upload_modified_files", upload)
    model.push_to_hub("someone/adapter")
    model.save_pretrained(tmp_path, push_to_hub=True, repo_id="someone/other")
    assert set(seen) == {"someone/adapter", "someone/other"}
    for loaded in seen.values():
        torch.testing.assert_close(logits(loaded, ids()), logits(model, ids()), **CLOSE)


def trainer(model: nn.Module, folder: Path, **options) -> Trainer:
    rows = [{"input_ids": row, "labels": row} for row in ids(8)]
    usual = {"max_steps": 4, "save_steps": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-2, "report_to": []}
    arguments = TrainingArguments(str(folder), **usual | {"use_cpu": True, "disable_tqdm": True} | options)
    return Trainer(model, arguments, train_dataset=rows, eval_dataset=rows[:4])


@pytest.mark.parametrize("method", [*FEW, "full"])
def test_trainer_resumes_and_ends_with_something_loadable(method, tmp_path, caplog):
    def new():
        torch.manual_seed(0)
        return ssmpeft_lib.adapt(build("Mamba"), method.replace("lora@linear,", "lora@linear,dropout=0.0,"))

    whole, resumed = new(), new()
    trainer(whole, tmp_path / "whole").train()
    again = trainer(resumed, tmp_path / "whole")
    again.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    torch.testing.assert_close(logits(resumed.eval(), ids()), logits(whole.eval(), ids()), rtol=0, atol=0)
    assert "missing keys" not in caplog.text
    again.save_model(str(tmp_path / "end"))
    for folder in (tmp_path / "end", tmp_path / "whole" / "checkpoint-4"):
        loaded = (
            AutoModelForCausalLM.from_pretrained(folder)
            if method == "full"
            else ssmpeft_lib.load(build("Mamba"), folder)
        )
        torch.testing.assert_close(logits(loaded.eval(), ids()), logits(whole, ids()), **CLOSE)


def test_trainer_ends_with_its_best_model(tmp_path):
    model = ssmpeft_lib.adapt(build("Mamba"), "lora@linear,rank=2,dropout=0.0")
    options = {"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 2, "learning_rate": 10.0}
    trained = trainer(model, tmp_path, **options)
    trained.train()
    best = ssmpeft_lib.load(build("Mamba"), trained.state.best_model_checkpoint)
    torch.testing.assert_close(logits(model.eval(), ids()), logits(best.eval(), ids()), **CLOSE)


@pytest.mark.parametrize("family, method", cases(FAMILIES, ["full@ssm+norm", SDT[0]]))
def test_frozen_tensors_keep_their_names(family, method):
    model, plain = adapted(family, method), build(family)
    names = dict(model.named_parameters())
    assert all(model.get_parameter(name) is parameter for name, parameter in names.items())
    state = {key.replace(".base_layer.", "."): value for key, value in model.state_dict().items()}
    own = [key for key in state if ".deltas." not in key]
    assert own == list(plain.state_dict())
    assert all(torch.equal(state[key], plain.state_dict()[key]) for key in own)


@pytest.mark.parametrize("family, method", cases(methods=SDT))
def test_copies_made_after_the_selection_compute_the_selection(family, method):
    model = ssmpeft_lib.adapt(build(family), method)
    model(ids())
    deltas = [module for module in model.modules() if isinstance(module, Sparse)]
    with torch.no_grad():
        for number, delta in enumerate(deltas):
            # any other choice than the one that stands in
            total = delta.shape[0] * delta.shape[1]
            order = torch.randperm(total, generator=torch.Generator().manual_seed(number))
            mask = torch.zeros(total, dtype=torch.bool)
            mask[order[: len(delta.indices)]] = True
            delta.choose(mask.view(delta.shape))
    shake(model, 0.1)
    expected = logits(model, ids())
    for other in (copy.deepcopy(model), copy.deepcopy(copy.deepcopy(model))):
        torch.testing.assert_close(logits(other, ids()), expected, rtol=0, atol=0)
        assert not any(module.is_placeholder for module in other.modules() if isinstance(module, Sparse))
