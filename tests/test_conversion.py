"""Original checkpoints of state-spaces as transformers models."""

from __future__ import annotations

import json
import os

import numpy
import pytest
import torch
from families import build, ids, logits
from reference import shared
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Mamba2Config, Mamba2ForCausalLM, MambaConfig, MambaForCausalLM

from ssmpeft_lib import adapt, merge
from ssmpeft_lib.__main__ import main
from ssmpeft_lib.models._convert import convert, transformers_config
from ssmpeft_lib.models._convert_back import convert_back

MAMBA = {"d_model": 32, "n_layer": 2, "vocab_size": 60, "ssm_cfg": {"d_state": 8}, "rms_norm": True}
MAMBA |= {"residual_in_fp32": True, "fused_add_norm": True, "pad_vocab_size_multiple": 8}
MAMBA2 = MAMBA | {
    "ssm_cfg": {"layer": "Mamba2", "d_state": 8, "headdim": 16, "ngroups": 2},
    "pad_vocab_size_multiple": 16,
}


def original(folder, model, config, kind="pytorch_model.bin", tied=True):
    """Write a transformers model as state-spaces writes its checkpoints."""
    weights = {name.replace("embeddings.", "embedding."): p.detach().clone() for name, p in model.state_dict().items()}
    weights = {name: tensor for name, tensor in weights.items() if tied or name != "lm_head.weight"}
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if kind.endswith(".bin"):
        torch.save(weights, folder / kind)
    else:
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / kind)
    return folder


def mamba2():
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "vocab_size": 64,
        "state_size": 8,
        "head_dim": 16,
        "num_heads": 4,
    }
    special = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
    config = Mamba2Config(**sizes, **special, n_groups=2, tie_word_embeddings=True, layer_norm_epsilon=1e-5)
    return Mamba2ForCausalLM(config).eval()


@pytest.mark.parametrize("kind", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize("config, model", [(MAMBA, lambda: build("Mamba")), (MAMBA2, mamba2)], ids=["mamba", "mamba2"])
@pytest.mark.parametrize("tied", [True, False], ids=["lm_head", "no lm_head"])
def test_converted_computes_the_same(config, model, kind, tied, tmp_path):
    source = original(tmp_path / "original", model(), config, kind, tied)
    target = convert(source, tmp_path / "converted")
    assert {path.name for path in target.iterdir()} >= {"config.json", "model.safetensors"}
    assert not list(target.glob("*.bin")) and len(list(tmp_path.iterdir())) == 2
    converted = AutoModelForCausalLM.from_pretrained(target).eval()
    torch.testing.assert_close(logits(converted, ids()), logits(model(), ids()), rtol=0, atol=0)
    assert converted.lm_head.weight is converted.get_input_embeddings().weight


def test_the_authors_model_converts(tmp_path):
    """Weights and logits of mamba_ssm's own model code."""
    with numpy.load(shared("parity/case3_lm_adapters.npz")) as file:
        case = {name: torch.from_numpy(file[name]) for name in file.files}
    folder = tmp_path / "original"
    folder.mkdir()
    torch.save(
        {name[2:]: tensor for name, tensor in case.items() if name.startswith("w:")}, folder / "pytorch_model.bin"
    )
    config = {"d_model": 32, "n_layer": 2, "vocab_size": 64, "ssm_cfg": {"d_state": 16}, "tie_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = AutoModelForCausalLM.from_pretrained(convert(folder, tmp_path / "converted")).eval()
    torch.testing.assert_close(logits(model, case["ids"]), case["logits_base"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "config, model_type, vocab_size, heads",
    [
        ({"d_model": 768, "n_layer": 24, "vocab_size": 50277}, "mamba", 50280, None),
        (
            {"d_model": 768, "n_layer": 24, "vocab_size": 50277, "pad_vocab_size_multiple": 16, "attn_cfg": {}}
            | {"ssm_cfg": {"layer": "Mamba2"}, "attn_layer_idx": [], "d_intermediate": 0, "tie_embeddings": True},
            "mamba2",
            50288,
            24,
        ),
    ],
)
def test_configurations_of_the_paper(config, model_type, vocab_size, heads):
    found = transformers_config(config)
    assert (found.model_type, found.vocab_size, getattr(found, "num_heads", None)) == (model_type, vocab_size, heads)
    assert found.hidden_size == 768 and found.state_size == (128 if heads else 16)


class Code:
    """A pickle that would run a command."""

    def __reduce__(self):
        return os.system, ("touch /tmp/ssmpeft-pickle-ran",)


def damaged(folder, **changes):
    path = folder / "config.json"
    path.write_text(
        json.dumps(
            {k: v for k, v in (json.loads(path.read_text(encoding="utf-8")) | changes).items() if v is not None}
        ),
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    "damage, error, says",
    [
        (lambda f: torch.save({"x": Code()}, f / "pytorch_model.bin"), ValueError, "holds more than tensors"),
        (lambda f: (f / "pytorch_model.bin").write_bytes(b"nonsense"), ValueError, "pytorch_model.bin"),
        (lambda f: torch.save([torch.zeros(2)], f / "pytorch_model.bin"), ValueError, "is not a state dict"),
        (lambda f: (f / "pytorch_model.bin").unlink(), FileNotFoundError, "looked for model.safetensors and pytorch"),
        (lambda f: (f / "config.json").unlink(), FileNotFoundError, "config.json is missing"),
        (lambda f: (f / "config.json").write_text("{", encoding="utf-8"), ValueError, "not valid JSON"),
        (lambda f: damaged(f, d_model=None), ValueError, "lacks d_model"),
        (lambda f: damaged(f, n_layer=3), ValueError, "backbone.layers.2"),
        (lambda f: damaged(f, d_model=64), ValueError, "config.json makes it"),
        (lambda f: damaged(f, rms_norm=False), ValueError, "rms_norm is False, transformers' Mamba has True only"),
        (lambda f: damaged(f, attn_layer_idx=[3]), ValueError, "attn_layer_idx is [3]"),
        (lambda f: damaged(f, ssm_cfg={"layer": "Mamba3"}), ValueError, "ssm_cfg.layer is 'Mamba3'"),
        (lambda f: damaged(f, ssm_cfg={"d_stat": 8}), ValueError, "no meaning is known for ssm_cfg.d_stat"),
        (lambda f: damaged(f, dropout=0.1), ValueError, "no meaning is known for dropout"),
    ],
)
def test_bad_checkpoints_are_refused_and_nothing_is_written(damage, error, says, tmp_path):
    source = original(tmp_path / "original", build("Mamba"), MAMBA)
    damage(source)
    with pytest.raises(error) as caught:
        convert(source, tmp_path / "converted")
    assert says in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["original"]
    assert not os.path.exists("/tmp/ssmpeft-pickle-ran")


def test_command(tmp_path, capsys):
    source = original(tmp_path / "original", build("Mamba"), MAMBA)
    assert main(["convert", str(source), str(tmp_path / "converted")]) == 0
    assert main(["convert", str(source), str(tmp_path / "converted")]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "nowhere"), str(tmp_path / "other")]) == 1
    assert "is not a folder" in capsys.readouterr().err


def mamba_of(**sizes):
    return lambda: build("Mamba", **sizes)


@pytest.mark.parametrize(
    "model",
    [
        mamba_of(layer_norm_epsilon=1e-5),
        mamba_of(layer_norm_epsilon=1e-5, tie_word_embeddings=False),
        mamba_of(layer_norm_epsilon=1e-5, use_bias=True, use_conv_bias=False, vocab_size=67, time_step_rank=5),
        mamba2,
    ],
    ids=["mamba", "untied", "biases", "mamba2"],
)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_there_and_back(model, kind, tmp_path):
    model = model().to(kind)
    model.save_pretrained(tmp_path / "model")
    back = convert_back(tmp_path / "model", tmp_path / "original")
    assert {path.name for path in back.iterdir()} == {"config.json", "pytorch_model.bin"}
    stored = torch.load(back / "pytorch_model.bin", weights_only=True)
    # the names that mamba_ssm's MambaLMHeadModel has
    assert {"backbone.embedding.weight", "lm_head.weight"} <= set(stored) and kind in {t.dtype for t in stored.values()}
    again = AutoModelForCausalLM.from_pretrained(convert(back, tmp_path / "again"), dtype="auto").eval()
    assert again.dtype == kind
    torch.testing.assert_close(logits(again, ids()), logits(model, ids()), rtol=0, atol=0)


def test_a_merged_model_goes_back_and_the_authors_names_come_out(tmp_path):
    """The tensors of mamba_ssm's own model code, by name and shape."""
    with numpy.load(shared("parity/case3_lm_adapters.npz")) as file:
        theirs = {name[2:]: file[name].shape for name in file.files if name.startswith("w:")}
    config = MambaConfig(hidden_size=32, num_hidden_layers=2, vocab_size=64, state_size=16, tie_word_embeddings=False)
    model = merge(adapt(MambaForCausalLM(config), "lora@linear"))
    model.save_pretrained(tmp_path / "model")
    back = convert_back(tmp_path / "model", tmp_path / "original")
    stored = torch.load(back / "pytorch_model.bin", weights_only=True)
    assert {name: tuple(tensor.shape) for name, tensor in stored.items()} == theirs


@pytest.mark.parametrize(
    "make, says",
    [
        (
            mamba_of(layer_norm_epsilon=1e-5, hidden_act="gelu"),
            "hidden_act is 'gelu', and mamba_ssm's models have 'silu'",
        ),
        (mamba_of(layer_norm_epsilon=1e-6), "layer_norm_epsilon is 1e-06"),
        (lambda: build("FalconMamba"), "no model of type falcon_mamba; it has mamba and mamba2"),
        (lambda: build("Jamba"), "no model of type jamba"),
        (lambda: adapt(build("Mamba"), "lora"), "holds an adapter; load it into its model, ssmpeft_lib.merge"),
    ],
)
def test_what_mamba_ssm_has_not_does_not_go_back(make, says, tmp_path, capsys):
    make().save_pretrained(tmp_path / "model")
    assert main(["convert", "--back", str(tmp_path / "model"), str(tmp_path / "original")]) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "original").exists()
