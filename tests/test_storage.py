"""Saved adapters: what comes back, and what is refused."""

from __future__ import annotations

import json
import re

import pytest
import torch
import transformers
from families import SIZES, TOKENS, build, ids, logits, shake
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from test_contracts import METHODS, adapted, cases
from torch import nn

from ssmpeft_lib import SSMPeftConfig
from ssmpeft_lib.adapters.api import adapt, adaptation_of
from ssmpeft_lib.adapters.method import build_method
from ssmpeft_lib.adapters.storage import load, save

FILES = ["README.md", "adapter_config.json", "adapter_model.safetensors"]


@pytest.mark.parametrize("family, method", cases())
def test_loaded_equals_saved(family, method, tmp_path):
    model = adapted(family, method)
    save(model, tmp_path)
    loaded = load(build(family), tmp_path)
    torch.testing.assert_close(logits(loaded, ids()), logits(model, ids()), rtol=0, atol=0)
    assert adaptation_of(loaded).method == adaptation_of(model).method
    stored = load_file(tmp_path / "adapter_model.safetensors")
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert sum(t.numel() for t in stored.values() if t.is_floating_point()) == trained
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


@pytest.fixture
def saved(tmp_path):
    return save(adapted("Mamba", "lora@out_proj,rank=2"), tmp_path)


def rewritten(folder, **changes):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


@pytest.mark.parametrize(
    "damage, error, says",
    [
        (
            lambda f: (f / "adapter_model.safetensors").unlink(),
            FileNotFoundError,
            "adapter_model.safetensors is missing",
        ),
        (lambda f: (f / "adapter_config.json").unlink(), FileNotFoundError, "adapter_config.json is missing"),
        (
            lambda f: (f / "adapter_model.safetensors").write_bytes(b"x" * 99),
            ValueError,
            "not a whole safetensors file",
        ),
        (
            lambda f: (f / "adapter_model.safetensors").write_bytes(
                (f / "adapter_model.safetensors").read_bytes()[:-8]
            ),
            ValueError,
            "not a whole safetensors file",
        ),
        (lambda f: (f / "adapter_config.json").write_text("{", encoding="utf-8"), ValueError, "not valid JSON"),
        (lambda f: rewritten(f, peft_type="LORA"), ValueError, "type 'LORA', not 'SSMPEFT'"),
        (lambda f: rewritten(f, method=None), ValueError, "names no method"),
        (lambda f: rewritten(f, method="lroa"), LookupError, "did you mean 'lora'"),
        (
            lambda f: rewritten(f, method="lora@out_proj,rank=4"),
            ValueError,
            "lora_A has the shape [2, 64], not [4, 64]",
        ),
        (lambda f: rewritten(f, method="lora@out_proj+in_proj_x,rank=2"), ValueError, "in_proj_x.lora_A is missing"),
        (lambda f: rewritten(f, method="bitfit"), ValueError, "is missing, and"),
    ],
)
def test_a_bad_adapter_is_refused_and_leaves_the_model_alone(saved, damage, error, says):
    damage(saved)
    model = build("Mamba")
    with pytest.raises(error) as caught:
        load(model, saved)
    assert says in str(caught.value)
    assert str(model) == str(build("Mamba"))
    assert all(p.requires_grad for p in model.parameters())


def test_adapter_of_another_family_is_refused(saved):
    with pytest.raises(ValueError, match="made for MambaForCausalLM.*does not fit JambaForCausalLM"):
        load(build("Jamba"), saved)


def test_adapter_of_another_family_of_the_same_shapes_is_refused(saved):
    model = build("FalconMamba")
    with pytest.raises(ValueError, match="made for MambaForCausalLM and does not fit FalconMambaForCausalLM"):
        load(model, saved)
    assert all(p.requires_grad for p in model.parameters())


def test_a_file_of_the_adapter_is_no_folder(saved):
    with pytest.raises(NotADirectoryError, match="adapter_config.json is a file; give its folder"):
        load(build("Mamba"), saved / "adapter_config.json")


def test_a_head_that_was_unfrozen_by_hand_comes_back(tmp_path):
    model = adapt(classifier(), "lora@out_proj,rank=2")
    assert not model.score.weight.requires_grad
    model.score.requires_grad_(True)
    save(shake(model, 0.1), tmp_path)
    loaded = load(classifier(), tmp_path)
    torch.testing.assert_close(logits(loaded, ids()), logits(model, ids()), rtol=0, atol=0)
    assert loaded.score.weight.requires_grad
    theirs = PeftModel.from_pretrained(classifier(), tmp_path).eval()
    torch.testing.assert_close(logits(theirs, ids()), logits(model, ids()))


def test_a_head_that_peft_trains_comes_back(tmp_path):
    model = get_peft_model(classifier(), SSMPeftConfig(method="lora@out_proj,rank=2", task_type="SEQ_CLS")).eval()
    expected = logits(shake(model, 0.1), ids())
    save(model, tmp_path)
    torch.testing.assert_close(logits(PeftModel.from_pretrained(classifier(), tmp_path).eval(), ids()), expected)


def classifier() -> nn.Module:
    torch.manual_seed(0)
    config = transformers.JambaConfig(**(TOKENS | SIZES["Jamba"]), num_labels=3)
    return transformers.JambaForSequenceClassification(config).eval()


def test_an_index_outside_of_the_weight_is_refused(tmp_path):
    save(adapted("Mamba", "sdlora,freeze_channels=0.9,freeze_states=0.5"), tmp_path)
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    next(tensor for key, tensor in tensors.items() if key.endswith("A_log.indices"))[0] = 10**6
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ValueError, match="an index lies outside"):
        load(build("Mamba"), tmp_path)


def test_what_is_not_adapted_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="is not adapted"):
        save(build("Mamba"), tmp_path)


def test_a_model_is_adapted_once():
    model = adapt(build("Mamba"), "bitfit")
    with pytest.raises(ValueError, match="adapted already"):
        adapt(model, "lora")


def test_load_leaves_the_adapter_of_a_model_that_has_one(saved):
    model = adapted("Mamba", "lora@in_proj_x")
    structure, before = str(model), logits(model, ids())
    with pytest.raises(ValueError, match="adapted already .lora@in_proj_x.; merge or remove that first"):
        load(model, saved)
    assert str(model) == structure and model.ssmpeft
    torch.testing.assert_close(logits(model, ids()), before, rtol=0, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_spelled_out_in_full(method):
    found = build_method(method)
    assert build_method(found.spelled_out()) == found == build_method(str(found))


@pytest.mark.parametrize(
    "method, says", [("lora@out_proj", "ssmpeft_lib.merge(model)"), ("initial_state", "this adapter needs the library")]
)
def test_the_card_says_what_it_is_and_how_it_is_loaded(method, says, tmp_path):
    """Its code runs as it stands, with the names of two folders filled in."""
    build("Mamba").save_pretrained(tmp_path / "base")
    model = shake(adapt(build("Mamba"), method), 0.1)
    save(model, tmp_path / "adapter")
    card = (tmp_path / "adapter" / "README.md").read_text(encoding="utf-8")
    numbers = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert says in card and f"{numbers:,} trained numbers" in card and card.startswith("---\nlibrary_name: ")
    names = {}
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    exec(code.replace("BASE", str(tmp_path / "base")).replace("ADAPTER", str(tmp_path / "adapter")), names)
    torch.testing.assert_close(logits(names["model"].eval(), ids()), logits(model, ids()))
    save(adapt(build("Mamba"), "lora@in_proj,rank=3"), tmp_path / "adapter")
    assert "lora@in_proj,rank=3" in (tmp_path / "adapter" / "README.md").read_text(encoding="utf-8")
    (tmp_path / "adapter" / "README.md").write_text("mine", encoding="utf-8")
    save(model, tmp_path / "adapter")
    assert (tmp_path / "adapter" / "README.md").read_text(encoding="utf-8") == "mine"
