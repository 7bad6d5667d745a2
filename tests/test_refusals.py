"""What cannot work is refused in words, before anything is touched; what is unusual but can, works."""

from __future__ import annotations

import warnings

import pytest
import torch
from accelerate import cpu_offload
from families import FAMILIES, build, ids, logits, shake
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import DynamicCache

import ssmpeft_lib
from ssmpeft_lib.compat.transformers import cache_keyword
from ssmpeft_lib.models.s4 import build as build_s4

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
SHARES = "freeze_channels=0.9,freeze_states=0.5"


@pytest.mark.parametrize("activation", ["gelu", "relu", "swish"])
@pytest.mark.parametrize("family, name", [("Mamba", "hidden_act"), ("Mamba2", "hidden_act"), ("Jamba", "hidden_act")])
def test_any_activation_behind_the_convolution(family, name, activation):
    stock = build(family, **{name: activation})
    model = ssmpeft_lib.adapt(build(family, **{name: activation}), "lora@linear,rank=2")
    torch.testing.assert_close(logits(model, ids()), logits(stock, ids()), **CLOSE)
    cached_equals_full(shake(model, 0.1))


@pytest.mark.parametrize("method", ["lora@linear,rank=2", "initial_state"])
@pytest.mark.parametrize(
    "family, name", [("Mamba", "conv_kernel"), ("Mamba2", "conv_kernel"), ("Jamba", "mamba_d_conv")]
)
@pytest.mark.parametrize("width", [1, 2])
def test_any_width_of_the_convolution(family, name, width, method):
    model = ssmpeft_lib.adapt(build(family, **{name: width}), method)
    torch.testing.assert_close(logits(model, ids()), logits(build(family, **{name: width}), ids()), **CLOSE)
    cached_equals_full(shake(model, 0.1))


def cached_equals_full(model: nn.Module) -> None:
    cache = DynamicCache(config=model.config)
    pieces = ids().tensor_split([4, 5, 6], dim=1)
    found = [logits(model, piece, use_cache=True, **{cache_keyword(model): cache}) for piece in pieces]
    torch.testing.assert_close(torch.cat(found, 1), logits(model, ids()), **CLOSE)


@pytest.mark.parametrize(
    "key, change, says",
    [
        ("A_log.indices", lambda t: t.float(), "is of type torch.float32, not torch.int64"),
        ("A_log.indices", lambda t: t.int(), "is of type torch.int32, not torch.int64"),
        ("A_log.indices", lambda t: t.fill_(3), "an index is there twice"),
        ("A_log.values", lambda t: t.long(), "is of type torch.int64, not a floating-point one"),
        ("A_log.values", lambda t: t.to(torch.complex64), "is of type torch.complex64, not a floating-point one"),
        ("lora_A", lambda t: t > 0, "is of type torch.bool, not a floating-point one"),
        ("lora_A", lambda t: t.fill_(float("nan")), "holds values that are not finite"),
    ],
)
def test_values_that_no_adapter_has_are_not_loaded(key, change, says, tmp_path):
    ssmpeft_lib.save(ssmpeft_lib.adapt(build("Mamba"), f"sdlora,{SHARES}"), tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith(key))
    save_file(tensors | {name: change(tensors[name])}, path)
    model = build("Mamba")
    structure = str(model)
    with pytest.raises(ValueError, match=says):
        ssmpeft_lib.load(model, tmp_path)
    assert str(model) == structure


def test_an_adapter_of_a_resized_model_does_not_load_into_the_old_one(tmp_path):
    def resized():
        model = build("Mamba")
        model.resize_token_embeddings(74, mean_resizing=False)
        return model

    ssmpeft_lib.save(ssmpeft_lib.adapt(resized(), "lora@out_proj"), tmp_path)
    with pytest.raises(ValueError, match="with 74 tokens, this one embeds 64; rows that were added"):
        ssmpeft_lib.load(build("Mamba"), tmp_path)
    ssmpeft_lib.load(resized(), tmp_path)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_a_deep_s4_of_half_precision_is_refused(kind):
    model = build_s4(d_model=8, d_state=4, n_layers=2).to(kind)
    with pytest.raises(ValueError, match=r"complex numbers, which .* lacks; call .float\(\)"):
        model.layers[0](torch.zeros(1, 5, 8, dtype=kind))


def test_an_export_that_leaves_parts_out_warns_or_is_refused(tmp_path):
    model = ssmpeft_lib.adapt(build("Mamba"), "lora@in_proj,also=D")
    with pytest.raises(ValueError, match="2 of 4 parts of .* no counterpart in peft.*strict=False"):
        ssmpeft_lib.export_lora(model, tmp_path / "strict", strict=True)
    assert not (tmp_path / "strict").exists()
    with pytest.warns(UserWarning, match="have no counterpart in peft"):
        ssmpeft_lib.export_lora(model, tmp_path / "loose")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ssmpeft_lib.export_lora(ssmpeft_lib.adapt(build("Mamba"), "lora@in_proj"), tmp_path, strict=True)


def test_offloaded_weights_are_refused():
    model = cpu_offload(build("Mamba"), execution_device=torch.device("cpu"))
    with pytest.raises(ValueError, match="offloaded"):
        ssmpeft_lib.adapt(model, "lora@out_proj")
    assert not hasattr(model, "ssmpeft")


@pytest.mark.parametrize(
    "method, error, says",
    [
        (LoraConfig(target_modules=["in_proj"]), TypeError, "got a LoraConfig; a configuration of peft goes to"),
        ("lora@out_proj,r=8", LookupError, "what peft calls r is rank here"),
        ("lora@out_proj,lora_alpha=16", LookupError, "what peft calls lora_alpha is alpha here"),
        ("lora@out_proj,target_modules=x", LookupError, "a list of slots behind @"),
        ("lora,use_rslora=true", LookupError, "what peft calls use_rslora is rslora here"),
        ("lora,init_lora_weights=pissa", LookupError, "is pissa, which is true or false, here"),
        ("lora,layers_to_transform=1", LookupError, "what peft calls layers_to_transform is every layer here"),
        ("lora,rank_pattern=1", LookupError, "is one rank for all slots of an adapter here"),
        ("lora,exclude_modules=x", LookupError, "a list of the slots that remain, behind @ here"),
        ("vera,r=8", LookupError, "what peft calls r is rank here"),
        (None, TypeError, "got a NoneType"),
        ("lora@out_proj,alpha=0", ValueError, "alpha=0 must be above 0"),
        ("lora@out_proj,rank=100000", ValueError, "rank 100000 is larger than both sides of the weight"),
    ],
)
def test_words_of_peft_and_senseless_values(method, error, says):
    model = build("Mamba")
    with pytest.raises(error, match=says):
        ssmpeft_lib.adapt(model, method)
    assert all(p.requires_grad for p in model.parameters()) and str(model) == str(build("Mamba"))


@pytest.mark.parametrize(
    "options, says",
    [
        ({"r": 8}, "what peft calls r is rank here"),
        ({"method": "lora", "lora_alpha": 16}, "what peft calls lora_alpha is alpha here"),
        ({"target_modules": ["in_proj"]}, "a list of slots behind @"),
        ({"use_dora": True}, "the method dora"),
        ({"nonsense": 1}, "unexpected keyword argument 'nonsense'"),
        ({"method": LoraConfig(r=8)}, "got a LoraConfig"),
        ({"method": None}, "got a NoneType"),
    ],
)
def test_words_of_peft_in_our_configuration(options, says):
    with pytest.raises(TypeError, match=says):
        ssmpeft_lib.SSMPeftConfig(**options)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f in ("Jamba", "Bamba", "FalconH1")])
def test_a_soft_prompt_with_a_static_cache_is_refused(family):
    model = ssmpeft_lib.adapt(build(family), "prompt,tokens=2")
    with pytest.raises(ValueError, match="leave cache_implementation='static' out"):
        model.generate(ids(), attention_mask=torch.ones_like(ids()), max_new_tokens=2, cache_implementation="static")
