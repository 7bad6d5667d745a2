"""The commands that take any model: by a name of the paper, a folder, a configuration or a family."""

from __future__ import annotations

import json
import re

import pytest
import transformers
from families import FAMILIES, build

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.checkup.families import families
from ssmpeft_lib.checkup.named import configuration, without_weights
from ssmpeft_lib.checkup.stand_ins import build as stand_in
from ssmpeft_lib.checkup.tiny import SIZES


@pytest.fixture(scope="module")
def listed():
    return {family.name: family for family in families()}


def test_families_are_those_that_are_tried_and_others_are_named(listed):
    supported = {family.model.removesuffix("ForCausalLM") for family in listed.values() if family.supported}
    assert supported == set(FAMILIES)
    assert all(family.tried for family in listed.values() if family.supported)
    assert listed["zamba"].unknown == "ZambaMambaMixer" and not listed["zamba"].supported
    assert listed["jamba"].mixers == ("s6",) and "experts" in listed["jamba"].beside


def test_the_command_lists_them(listed, capsys):
    main(["families"])
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == set(listed)
    assert any(line.startswith("zamba ") and "no mixer of ssmpeft_lib knows ZambaMambaMixer" in line for line in lines)
    main(["families", "--json"])
    assert json.loads(capsys.readouterr().out)["mamba2"]["mixers"] == ["ssd"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_doctor_takes_the_folder_of_any_family(family, tmp_path, capsys):
    model = build(family, tie_word_embeddings=False)
    model.save_pretrained(tmp_path / "whole")
    model.config.save_pretrained(tmp_path / "configuration")
    for name in (tmp_path / "whole", tmp_path / "configuration" / "config.json"):
        assert main(["doctor", str(name), "lora@out_proj,rank=2", "--strict"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["model"] == f"{family}ForCausalLM" and report["healthy"]


@pytest.mark.parametrize(
    "family, field, value",
    [("Mamba", "hidden_act", "gelu"), ("FalconH1", "mamba_rms_norm", True), ("Mamba2", "tie_word_embeddings", False)],
)
def test_the_small_model_has_the_switches_of_the_configuration(family, field, value, tmp_path):
    assert SIZES[family].get(field, getattr(getattr(transformers, f"{family}Config")(), field)) != value
    getattr(transformers, f"{family}Config")(**{field: value}).save_pretrained(tmp_path)
    assert getattr(stand_in(str(tmp_path)).config, field) == value


@pytest.mark.parametrize(
    "words, says",
    [
        ("doctor s4-deep lora", "ValueError: s4-deep reads no text; the doctor examines language models"),
        ("doctor zamba lora", "LookupError: zamba is no family that adapters act in; `python -m ssmpeft_lib families`"),
        ("doctor llama lora", "LookupError: llama is no family"),
        ("doctor mamba-13m lora", "did you mean 'mamba-130m'.; it is no folder or config.json"),
        ("doctor EMPTY lora", "has no config.json; name a folder that transformers saved a model in"),
        ("doctor BROKEN lora", "is no JSON that can be read"),
        ("doctor LIST lora", "has model_type None"),
        ("doctor ORIGINAL lora", "`python -m ssmpeft_lib convert` makes one of mamba_ssm's"),
        ("doctor mamba-130m nonsense", "nonsense"),
        ("doctor bamba lora@q_poj", "did you mean 'q_proj'"),
        ("slots zamba", "has no SSM layers.*`python -m ssmpeft_lib families` lists"),
        ("slots llama", "has no SSM layers"),
        ("slots bert", "BertLMHeadModel has no SSM layers"),
        ("slots vit", "ValueError: transformers has no language model of vit"),
        ("slots nowhere", "LookupError: no model 'nowhere'"),
    ],
)
def test_one_line_says_what_is_wrong(words, says, tmp_path, capsys):
    (tmp_path / "EMPTY").mkdir()
    for name, text in {"BROKEN": "{", "LIST": "[]", "ORIGINAL": '{"d_model": 32, "n_layer": 2}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text, encoding="utf-8")
    arguments = [str(tmp_path / word) if word.isupper() else word for word in words.split()]
    assert main(arguments) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "transformers]" not in line]
    assert re.search(says, line), line


@pytest.mark.parametrize(
    "model", ["mamba-130m", "s4-deep", *sorted(name.lower() for name in FAMILIES if name != "FalconH1")]
)
def test_slots_of_any_model(model, capsys):
    model = {"falconmamba": "falcon_mamba", "nemotronh": "nemotron_h"}.get(model, model)
    assert main(["slots", model, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    network = without_weights(model)
    whole = sum(parameter.numel() for parameter in network.parameters())
    assert 0 < sum(slot["numbers"] for slot in found["slots"].values()) <= whole
    assert {slot for slots in found["groups"].values() for slot in slots} <= set(found["slots"])
    assert "all_linear" in found["groups"]
    assert main(["slots", model]) == 0
    table = capsys.readouterr().out
    assert all(f"\n{slot} " in f"\n{table}" for slot in found["slots"])


def test_configurations_by_all_their_names(tmp_path):
    build("Bamba").config.save_pretrained(tmp_path)
    assert configuration(str(tmp_path)).hidden_size == configuration(str(tmp_path / "config.json")).hidden_size == 32
    assert configuration("mamba-130m").hidden_size == 768
    assert configuration("s4-deep") is None
