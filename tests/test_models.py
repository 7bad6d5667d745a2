"""Checkpoints of scale paper: what is fetched from the hub, converted, and quantised."""

from __future__ import annotations

import json

import huggingface_hub
import pytest
import torch
from families import build, ids, logits
from test_conversion import MAMBA2, mamba2, original
from transformers.quantizers.quantizers_utils import should_convert_module

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.models import load_checkpoint, load_network, quantization
from ssmpeft_lib.plan import manifest, registry


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that holds one folder, and the patterns that were asked of it."""
    asked = []

    def snapshot_download(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(tmp_path / "hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def fetched(model, folder):
    output = folder / "paper" / "models" / model / "model.json"
    output.parent.mkdir(parents=True)
    tokenizer = folder / "paper" / "tokenizers" / "EleutherAI--gpt-neox-20b" / "tokenizer.json"
    tokenizer.parent.mkdir(parents=True)
    tokenizer.touch()
    manifest.write(tokenizer.with_name("manifest.json"), {}, [tokenizer])
    assert main(["prepare-model", "paper", model, "--tokenizer", str(tokenizer), "--output", str(output)]) == 0
    return output


def test_original_checkpoint_is_converted_on_the_way(hub, tmp_path):
    original(tmp_path / "hub", mamba2(), MAMBA2)
    output = fetched("mamba2-130m", tmp_path)
    assert [name for name, _ in hub] == ["state-spaces/mamba2-130m"] * 2
    assert "pytorch_model.bin" not in hub[0][1]
    loaded = load_checkpoint("mamba2-130m", "dart", "paper", tmp_path)
    torch.testing.assert_close(logits(loaded.network.cpu().eval(), ids()), logits(mamba2(), ids()), rtol=0, atol=0)
    assert json.loads(output.read_text(encoding="utf-8"))["eos"] == loaded.eos == 0


def test_checkpoint_of_transformers_stays_where_the_hub_put_it(hub, tmp_path):
    build("Mamba").save_pretrained(tmp_path / "hub")
    output = fetched("mamba-130m", tmp_path)
    assert len(hub) == 1 and not any(pattern.endswith(".bin") for pattern in hub[0][1])
    assert json.loads(output.read_text(encoding="utf-8"))["path"] == str(tmp_path / "hub")
    assert [path.name for path in output.parent.iterdir()] == ["model.json"]


def test_loading_draws_no_bar_into_a_notebook(tmp_path, capfd):
    build("Mamba").save_pretrained(tmp_path)
    capfd.readouterr()
    load_network("mamba-130m", tmp_path, "quick")
    assert "Loading" not in capfd.readouterr().err


def test_quantised_model_needs_a_gpu_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="jamba-mini-52b is loaded in 4 bits, which needs a GPU"):
        load_network("jamba-mini-52b", tmp_path, "paper")


def test_mamba_layers_are_not_quantised():
    config = quantization(registry.model_facts("jamba-mini-52b").bits)
    assert config.load_in_4bit and config.bnb_4bit_quant_type == "nf4"
    names = {"model.layers.0.mamba.in_proj": False, "lm_head": False, "model.layers.4.self_attn.q_proj": True}
    assert {name: should_convert_module(name, config.llm_int8_skip_modules) for name in names} == names
