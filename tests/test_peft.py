"""The methods in Hugging Face peft: what its users do with an adapter, on every main family."""

from __future__ import annotations

import copy
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import peft
import pytest
import torch
from families import FAMILIES, MAIN, build, ids, logits, shake
from peft import (
    AutoPeftModelForCausalLM,
    PeftConfig,
    PeftModel,
    get_base_model_state_dict,
    get_model_status,
    get_peft_model,
    set_base_model_state_dict,
)
from safetensors.torch import load_file, save_file
from test_contracts import LATER, cases
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

import ssmpeft_lib
from ssmpeft_lib import SelectBeforeTraining, SSMPeftConfig

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
METHOD = "sdlora@linear,freeze_channels=0.9,freeze_states=0.5,rank=2,also=conv1d.D"
STATE = "initial_state,conv_state=true"
NORM = {"Jamba": "final_layernorm"}


def config(family: str, method: str = METHOD, **options) -> SSMPeftConfig:
    return SSMPeftConfig(method=method, task_type="CAUSAL_LM", **options)


@dataclass
class Trained:
    """A base model and an adapter that was trained on it, in folders, and what they compute."""

    family: str
    model: PeftModel
    base: Path
    adapter: Path
    before: Tensor
    after: Tensor

    def load(self) -> nn.Module:
        return AutoModelForCausalLM.from_pretrained(self.base).eval()

    def reloaded(self, **options) -> PeftModel:
        return PeftModel.from_pretrained(self.load(), self.adapter, **options).eval()


@pytest.fixture(scope="module", params=MAIN)
def trained(request, tmp_path_factory) -> Trained:
    """Trained by transformers' Trainer, with a checkpoint on the way."""
    family, folder = request.param, tmp_path_factory.mktemp(request.param)
    build(family).save_pretrained(folder / "base")
    base = AutoModelForCausalLM.from_pretrained(folder / "base").eval()
    before = logits(base, ids())
    torch.manual_seed(0)
    model = get_peft_model(base, config(family, modules_to_save=[NORM.get(family, "norm_f")]))
    torch.testing.assert_close(logits(model.eval(), ids()), before, **CLOSE)
    options = {"per_device_train_batch_size": 4, "learning_rate": 0.05, "report_to": [], "use_cpu": True}
    arguments = TrainingArguments(folder / "run", max_steps=4, save_steps=2, disable_tqdm=True, **options)
    data = [{"input_ids": row, "labels": row} for row in ids(4)] * 4
    selecting = SelectBeforeTraining(steps=2)
    Trainer(model=model, args=arguments, train_dataset=data, callbacks=[selecting]).train()
    model.eval().save_pretrained(folder / "adapter")
    return Trained(family, model, folder / "base", folder / "adapter", before, logits(model, ids()))


def test_trainer_trains_every_tensor_and_saves_safetensors(trained):
    assert (trained.after - trained.before).abs().max() > 1e-3
    still = [
        name
        for name, p in trained.model.named_parameters()
        if p.requires_grad and name.endswith(("lora_B", "values", "delta")) and not p.any()
    ]
    assert not still
    checkpoint = trained.adapter.parent / "run" / "checkpoint-2"
    assert [path.suffix for path in checkpoint.glob("adapter_model.*")] == [".safetensors"]


def test_trainer_goes_on_from_a_checkpoint_to_the_same_numbers(tmp_path):
    def final(run: str, checkpoint: str | None) -> Tensor:
        torch.manual_seed(0)
        model = get_peft_model(build("Mamba"), config("Mamba"))
        options = {"max_steps": 4, "save_steps": 2, "learning_rate": 0.05, "per_device_train_batch_size": 4}
        arguments = TrainingArguments(tmp_path / run, **options, report_to=[], use_cpu=True, disable_tqdm=True)
        data = [{"input_ids": row, "labels": row} for row in ids(4)] * 4
        trainer = Trainer(model, arguments, train_dataset=data, callbacks=[SelectBeforeTraining(steps=2)])
        trainer.train(resume_from_checkpoint=checkpoint)
        return logits(model.eval(), ids())

    whole = final("whole", None)
    torch.testing.assert_close(final("rest", str(tmp_path / "whole" / "checkpoint-2")), whole, rtol=0, atol=0)


@pytest.mark.parametrize("method", ["lora_plus@out_proj", "sdlora_plus,freeze_channels=0.9,freeze_states=0.5"])
def test_trainer_takes_the_rates_of_the_method(method, tmp_path):
    model = get_peft_model(build("Mamba"), config("Mamba", "bitfit"))
    model.add_adapter("plus", config("Mamba", method))
    model.set_adapter("plus")
    options = {"max_steps": 2, "learning_rate": 0.05, "report_to": [], "use_cpu": True, "disable_tqdm": True}
    arguments = TrainingArguments(tmp_path, **options, warmup_steps=1)
    data = [{"input_ids": row, "labels": row} for row in ids(4)] * 4
    selecting = [SelectBeforeTraining(steps=1)] if method.startswith("sd") else []
    optimizer = torch.optim.AdamW(ssmpeft_lib.parameter_groups(model, 0.05))
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=selecting, optimizers=(optimizer, None))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="the method trains some parameters")
        trainer.train()
    rates = {id(p): group["initial_lr"] for group in trainer.optimizer.param_groups for p in group["params"]}
    trained = {name: rates[id(p)] for name, p in model.named_parameters() if p.requires_grad}
    assert all(rate == (0.05 * 16 if name.endswith("lora_B") else 0.05) for name, rate in trained.items())
    assert len(set(trained.values())) == 2
    if selecting:
        with pytest.warns(UserWarning, match="one for all; give Trainer optimizers="):
            Trainer(model, arguments, train_dataset=data, callbacks=selecting).train()


def test_disabled_adapter_is_the_base_model(trained):
    with trained.model.disable_adapter():
        torch.testing.assert_close(logits(trained.model, ids()), trained.before, **CLOSE)
    torch.testing.assert_close(logits(trained.model, ids()), trained.after, rtol=0, atol=0)


def test_save_pretrained_writes_config_card_and_safetensors_only(trained):
    names = {path.name for path in trained.adapter.iterdir()}
    assert names == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert type(PeftConfig.from_pretrained(trained.adapter)) is SSMPeftConfig
    stored = load_file(trained.adapter / "adapter_model.safetensors")
    assert any(key.endswith(".indices") for key in stored) and not any("default" in key for key in stored)


def test_model_card_says_how_the_adapter_is_loaded(tmp_path):
    model = get_peft_model(build("Mamba"), config("Mamba"))
    for _ in range(2):
        model.save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    section = card.partition("## How to Get Started with the Model")[2].partition("\n## ")[0]
    assert card.count("import ssmpeft_lib") == section.count("import ssmpeft_lib") == 1


@pytest.mark.parametrize("options", [{}, {"low_cpu_mem_usage": True}, {"is_trainable": True}], ids=str)
def test_from_pretrained(trained, options):
    model = trained.reloaded(**options)
    torch.testing.assert_close(logits(model, ids()), trained.after, **CLOSE)
    assert any(p.requires_grad for p in model.parameters()) == bool(options.get("is_trainable"))


@pytest.mark.parametrize("auto", [AutoPeftModelForCausalLM, AutoModelForCausalLM])
def test_auto_classes_load_the_adapter_folder(trained, auto):
    torch.testing.assert_close(logits(auto.from_pretrained(trained.adapter).eval(), ids()), trained.after, **CLOSE)


def test_transformers_load_adapter(trained):
    model = trained.load()
    model.load_adapter(trained.adapter)
    torch.testing.assert_close(logits(model.eval(), ids()), trained.after, **CLOSE)


def test_generation_with_a_cache_equals_generation_without(trained):
    options = {"max_new_tokens": 5, "do_sample": False, "attention_mask": torch.ones_like(ids())}
    cached, full = (trained.model.generate(ids(), **options, use_cache=use_cache) for use_cache in (True, False))
    assert torch.equal(cached, full)


def test_merge_and_unload_gives_a_plain_model(trained, tmp_path):
    merged = trained.reloaded().merge_and_unload(safe_merge=True)
    torch.testing.assert_close(logits(merged, ids()), trained.after, **CLOSE)
    plain = trained.load()
    assert merged.state_dict().keys() == plain.state_dict().keys()
    assert all(type(ours) is type(stock) for ours, stock in zip(merged.modules(), plain.modules(), strict=True))
    merged.save_pretrained(tmp_path)
    reloaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(logits(reloaded, ids()), trained.after, **CLOSE)


def test_a_broken_adapter_is_not_merged(trained):
    model = trained.reloaded()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    broken = [p for name, p in model.named_parameters() if name.endswith("lora_B")][-1]
    broken.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match="would put infinite or undefined values into"):
        model.merge_and_unload(safe_merge=True)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters() if p is not broken)


def test_merging_can_be_taken_back(trained):
    model = trained.reloaded()
    model.merge_adapter()
    torch.testing.assert_close(logits(model, ids()), trained.after, **CLOSE)
    model.unmerge_adapter()
    torch.testing.assert_close(logits(model, ids()), trained.after, rtol=0, atol=0)


def test_unload_gives_the_base_model_back(trained):
    # without modules_to_save, which peft leaves in place for its own tuners too
    model = get_peft_model(trained.load(), config(trained.family))
    shake(model, 0.1)
    torch.testing.assert_close(logits(model.unload(), ids()), trained.before, **CLOSE)


def test_several_adapters(trained, tmp_path):
    model = trained.reloaded(adapter_name="a")
    model.add_adapter(
        "b", config(trained.family, "lora@out_proj+A_log" if trained.family != "Mamba2" else "lora@out_proj")
    )
    torch.testing.assert_close(logits(model.eval(), ids()), trained.after, **CLOSE)
    model.set_adapter("b")
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trainable and all(".deltas.b." in name for name in trainable)
    torch.testing.assert_close(logits(model, ids()), trained.before, **CLOSE)
    shake(model, 0.1)
    model.base_model.set_adapter(["a", "b"])
    assert (logits(model, ids()) - trained.after).abs().max() > 1e-4
    model.set_adapter("a")
    model.delete_adapter("b")
    torch.testing.assert_close(logits(model, ids()), trained.after, **CLOSE)
    model.load_adapter(trained.adapter, "c")
    model.set_adapter("c")
    torch.testing.assert_close(logits(model.eval(), ids()), trained.after, **CLOSE)
    model.save_pretrained(tmp_path, selected_adapters=["c"])
    assert (tmp_path / "c" / "adapter_model.safetensors").exists() and not (tmp_path / "a").exists()


def test_model_status(trained):
    status = get_model_status(trained.model)
    assert status.enabled and status.active_adapters == ["default"] and not status.merged_adapters
    assert status.trainable_params > 0 and status.num_adapter_layers > 0 and status.devices == {"default": ["cpu"]}


def test_mixed_models_are_refused(trained):
    with pytest.raises(ValueError, match="not compatible"):
        get_peft_model(trained.load(), config(trained.family), mixed=True)


def test_bfloat16_base_keeps_a_float32_adapter(trained):
    model = get_peft_model(trained.load().to(torch.bfloat16), config(trained.family)).train()
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    model(ids(), labels=ids()).loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_gradient_checkpointing(trained):
    plain, checkpointed = (get_peft_model(trained.load(), config(trained.family)).train() for _ in range(2))
    checkpointed.load_state_dict(plain.state_dict())
    checkpointed.gradient_checkpointing_enable()
    checkpointed.enable_input_require_grads()
    for model in (plain, checkpointed):
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        model(ids(), labels=ids()).loss.backward()
    for (name, ours), stock in zip(checkpointed.named_parameters(), plain.parameters(), strict=True):
        if ours.requires_grad:
            torch.testing.assert_close(ours.grad, stock.grad, **CLOSE, msg=name)


def test_a_copy_can_be_merged_and_leaves_the_original_alone(trained):
    other = copy.deepcopy(trained.model)
    torch.testing.assert_close(logits(other, ids()), trained.after, rtol=0, atol=0)
    torch.testing.assert_close(logits(other.merge_and_unload(), ids()), trained.after, **CLOSE)
    torch.testing.assert_close(logits(trained.model, ids()), trained.after, rtol=0, atol=0)


@pytest.mark.parametrize("method", [STATE, "prompt,tokens=2", "prefix,tokens=2,hidden=4"])
def test_learned_inputs(trained, method, tmp_path):
    model = shake(get_peft_model(trained.load(), config(trained.family, method)).eval(), 0.3)
    expected = logits(model, ids())
    model.save_pretrained(tmp_path)
    for options in ({}, {"low_cpu_mem_usage": True}):
        reloaded = PeftModel.from_pretrained(trained.load(), tmp_path, **options).eval()
        torch.testing.assert_close(logits(reloaded, ids()), expected, **CLOSE)
    options = {"max_new_tokens": 4, "do_sample": False, "attention_mask": torch.ones_like(ids())}
    cached, full = (model.generate(ids(), **options, use_cache=use_cache) for use_cache in (True, False))
    assert torch.equal(cached, full)
    with model.disable_adapter():
        torch.testing.assert_close(logits(model, ids()), trained.before, **CLOSE)
    with pytest.raises(ValueError, match="cannot be merged"):
        model.merge_and_unload()
    torch.testing.assert_close(logits(model, ids()), expected, **CLOSE)
    torch.testing.assert_close(logits(model.unload(), ids()), trained.before, **CLOSE)


@pytest.mark.parametrize("family, method", cases(methods=LATER))
def test_methods_that_came_after_the_paper(family, method, tmp_path):
    """Saved and loaded, switched off, merged or refused in words, and taken away."""
    torch.manual_seed(0)
    before = logits(build(family), ids())
    model = shake(get_peft_model(build(family), config(family, method)).eval(), 0.15)
    expected = logits(model, ids())
    assert (expected - before).abs().max() > 1e-4
    model.save_pretrained(tmp_path)
    for options in ({}, {"low_cpu_mem_usage": True}):
        reloaded = PeftModel.from_pretrained(build(family), tmp_path, **options).eval()
        torch.testing.assert_close(logits(reloaded, ids()), expected, **CLOSE)
    with model.disable_adapter():
        torch.testing.assert_close(logits(model, ids()), before, **CLOSE)
    try:
        model.merge_adapter(safe_merge=True)
    except ValueError as refused:
        assert "cannot be merged into a weight" in str(refused)
    torch.testing.assert_close(logits(model, ids()), expected, **CLOSE)
    model.unmerge_adapter()
    torch.testing.assert_close(logits(model.unload(), ids()), before, **CLOSE)


def test_our_own_load_reads_what_peft_saved_and_the_other_way_round(trained, tmp_path):
    model = shake(get_peft_model(trained.load(), config(trained.family)).eval(), 0.1)
    model.save_pretrained(tmp_path / "theirs")
    ours = ssmpeft_lib.load(trained.load(), tmp_path / "theirs")
    torch.testing.assert_close(logits(ours, ids()), logits(model, ids()), **CLOSE)
    ssmpeft_lib.save(ours, tmp_path / "ours")
    theirs = PeftModel.from_pretrained(trained.load(), tmp_path / "ours").eval()
    torch.testing.assert_close(logits(theirs, ids()), logits(model, ids()), **CLOSE)


@pytest.mark.parametrize(
    "method, error, says",
    [
        ("lora@out_prj", LookupError, "did you mean 'out_proj'"),
        ("lora,rank=0", ValueError, "rank=0 must be at least 1"),
        ("lora@in_proj,also=in_proj_x", ValueError, "adapted twice"),
        ("full", ValueError, "adds nothing to the model"),
        ("pretrained", ValueError, "adds nothing to the model"),
    ],
)
def test_a_bad_method_is_refused_and_leaves_the_model_alone(method, error, says):
    model = build("Mamba")
    with pytest.raises(error) as caught:
        get_peft_model(model, config("Mamba", method))
    assert says in str(caught.value)
    assert str(model) == str(build("Mamba")) and all(p.requires_grad for p in model.parameters())


def test_an_adapter_of_another_family_is_refused(tmp_path):
    get_peft_model(build("Mamba"), config("Mamba", "lora@out_proj")).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="made for MambaForCausalLM and does not fit FalconMambaForCausalLM"):
        PeftModel.from_pretrained(build("FalconMamba"), tmp_path)


SHARES = "freeze_channels=0.9,freeze_states=0.5"


@pytest.mark.parametrize("slots", ["out_proj", "in_proj_x"])
def test_what_is_adapted_without_peft_is_refused_and_keeps_its_adapter(slots):
    model = shake(ssmpeft_lib.adapt(build("Mamba"), "lora@out_proj"), 0.1)
    structure, before, found = str(model), logits(model, ids()), dict(model.ssmpeft)
    with pytest.raises(ValueError, match="adapted already .lora@out_proj.; call ssmpeft_lib.merge"):
        get_peft_model(model, config("Mamba", f"lora@{slots}"))
    assert str(model) == structure and model.ssmpeft == found and any(p.requires_grad for p in model.parameters())
    torch.testing.assert_close(logits(model, ids()), before, rtol=0, atol=0)


def test_a_second_adapter_of_the_same_name_is_refused_and_the_first_stays():
    model = shake(get_peft_model(build("Mamba"), config("Mamba", "lora@out_proj")).eval(), 0.1)
    before = logits(model, ids())
    for base in (model.get_base_model(), copy.deepcopy(model).get_base_model()):
        with pytest.raises(ValueError, match="has an adapter 'default' already"):
            get_peft_model(base, config("Mamba", "lora@out_proj"))
        torch.testing.assert_close(logits(base, ids()), before, rtol=0, atol=0)
    other = copy.deepcopy(model)
    other.add_adapter("b", config("Mamba", "lora@in_proj_x"))
    assert set(other.get_base_model().ssmpeft) == {"default", "b"}


@pytest.mark.parametrize("end", [ssmpeft_lib.merge, ssmpeft_lib.remove])
def test_our_own_merge_and_remove_leave_a_model_that_can_be_adapted_again(end):
    base = build("Mamba")
    model = shake(get_peft_model(base, config("Mamba", "lora@out_proj")).eval(), 0.1)
    expected = logits(model, ids()) if end is ssmpeft_lib.merge else logits(build("Mamba"), ids())
    assert end(model) is base
    torch.testing.assert_close(logits(base, ids()), expected, **CLOSE)
    ssmpeft_lib.adapt(base, "bitfit")


def test_modules_to_save_come_back_from_our_own_save(tmp_path):
    model = get_peft_model(build("Mamba"), config("Mamba", "lora@out_proj", modules_to_save=["lm_head", "norm_f"]))
    expected = logits(shake(model.eval(), 0.1), ids())
    ssmpeft_lib.save(model, tmp_path / "ours")
    model.save_pretrained(tmp_path / "theirs")
    ours, theirs = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("ours", "theirs"))
    assert ours.keys() == theirs.keys()
    for name in ("ours", "theirs"):
        reloaded = PeftModel.from_pretrained(build("Mamba"), tmp_path / name).eval()
        torch.testing.assert_close(logits(reloaded, ids()), expected, **CLOSE)
        with pytest.raises(ValueError, match="modules_to_save: .*lm_head.*load it with peft.PeftModel.from_pretrained"):
            ssmpeft_lib.load(build("Mamba"), tmp_path / name)
    merged = ssmpeft_lib.merge(model)
    torch.testing.assert_close(logits(merged, ids()), expected, **CLOSE)


def test_both_ways_to_save_say_how_to_load(tmp_path):
    model = get_peft_model(build("Mamba"), config("Mamba", "lora@out_proj"))
    ssmpeft_lib.save(model, tmp_path / "ours")
    model.save_pretrained(tmp_path / "theirs")
    notes = [
        json.loads((tmp_path / name / "adapter_config.json").read_text(encoding="utf-8")) for name in ("ours", "theirs")
    ]
    assert notes[0]["load_with"] == notes[1]["load_with"] == SSMPeftConfig().load_with
    assert "import ssmpeft_lib" in notes[0]["load_with"]


def test_an_adapter_for_each_row_is_refused():
    model = get_peft_model(build("Mamba"), config("Mamba", "lora@out_proj")).eval()
    for call in (model, model.generate):
        with pytest.raises(ValueError, match=r"adapter_names=\['default', '__base__'\].*set_adapter"):
            call(input_ids=ids(), adapter_names=["default", "__base__"])


@pytest.mark.parametrize("options", [{}, {"low_cpu_mem_usage": True}], ids=str)
def test_an_index_outside_of_the_weight_is_refused(options, tmp_path):
    ssmpeft_lib.save(ssmpeft_lib.adapt(build("Mamba"), f"sdlora,{SHARES}"), tmp_path)
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    next(tensor for key, tensor in tensors.items() if key.endswith("A_log.indices"))[0] = 10**6
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ValueError, match=r"A_log: an index lies outside of its weight \[64, 8\]"):
        PeftModel.from_pretrained(build("Mamba"), tmp_path, **options)


def test_public_names_are_there():
    for name in ssmpeft_lib.__all__:
        assert callable(getattr(ssmpeft_lib, name)), name
    assert peft.PeftType.SSMPEFT in peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING


MERGEABLE = ["lora@linear,rank=2", "full@ssm", "bitfit", "sdlora,freeze_channels=0.9,freeze_states=0.5", "dora@linear"]


@pytest.mark.parametrize("method", MERGEABLE)
@pytest.mark.parametrize("family", FAMILIES)
def test_disabled_adapters_do_not_act_even_when_they_are_merged(family, method):
    model = shake(get_peft_model(build(family), config(family, method)).eval(), 0.1)
    base, acting = logits(build(family), ids()), logits(model, ids())
    for merge in (lambda: None, model.merge_adapter, model.unmerge_adapter):
        merge()
        torch.testing.assert_close(logits(model, ids()), acting, **CLOSE)
        with model.disable_adapter():
            torch.testing.assert_close(logits(model, ids()), base, **CLOSE)
            with model.disable_adapter():
                torch.testing.assert_close(logits(model, ids()), base, **CLOSE)
            torch.testing.assert_close(logits(model, ids()), base, **CLOSE)
        torch.testing.assert_close(logits(model, ids()), acting, **CLOSE)


@pytest.mark.parametrize("family", ["Mamba", "Mamba2"])
def test_disabled_with_some_adapters_merged_and_others_not(family):
    torch.manual_seed(0)
    model = get_peft_model(build(family), config(family, "lora@linear,rank=2")).eval()
    model.add_adapter("b", config(family, "full@ssm"))
    base = logits(build(family), ids())
    model.base_model.set_adapter(["default", "b"])
    shake(model, 0.1)
    both = logits(model, ids())
    for order in (["default"], ["b"], ["b", "default"], ["default", "b"]):
        for name in order:
            model.merge_adapter([name])
            torch.testing.assert_close(logits(model, ids()), both, **CLOSE)
            with model.disable_adapter():
                torch.testing.assert_close(logits(model, ids()), base, **CLOSE)
        model.unmerge_adapter()
        torch.testing.assert_close(logits(model, ids()), both, **CLOSE)
    model.merge_adapter()
    model.half().float()
    with model.disable_adapter():
        torch.testing.assert_close(logits(model, ids()), base, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("method", MERGEABLE)
@pytest.mark.parametrize("family", FAMILIES)
def test_unloading_where_weights_and_biases_of_one_layer_are_adapted(family, method):
    def new():
        torch.manual_seed(0)
        return shake(get_peft_model(build(family), config(family, method)).eval(), 0.1)

    plain, acting = build(family).state_dict(), logits(new(), ids())
    base = new().unload()
    assert list(base.state_dict()) == list(plain)
    assert all(torch.equal(tensor, plain[name]) for name, tensor in base.state_dict().items())
    assert all(type(ours) is type(stock) for ours, stock in zip(base.modules(), build(family).modules(), strict=True))
    for safe in (False, True):
        merged = new().merge_and_unload(safe_merge=safe)
        assert list(merged.state_dict()) == list(plain)
        torch.testing.assert_close(logits(merged, ids()), acting, **CLOSE)


@pytest.mark.parametrize("method", [*MERGEABLE, "prompt,tokens=2", "prefix,tokens=2,hidden=4", STATE])
@pytest.mark.parametrize("family", MAIN)
def test_every_module_can_be_asked_for_its_bias(family, method):
    model = get_peft_model(build(family), config(family, method))
    assert all(isinstance(getattr(module, "bias", None), torch.Tensor | bool | None) for module in model.modules())


@pytest.mark.parametrize("method", [*MERGEABLE, "prompt,tokens=2"])
def test_the_state_dict_of_the_base_has_the_names_of_the_base(method):
    model = get_peft_model(build("Mamba"), config("Mamba", method))
    assert set(get_base_model_state_dict(model)) == set(build("Mamba").state_dict())
    set_base_model_state_dict(model, shake(build("Mamba"), 0.1).state_dict())
    with model.disable_adapter():
        torch.testing.assert_close(logits(model.eval(), ids()), logits(shake(build("Mamba"), 0.1), ids()), **CLOSE)
