"""Adapters that are added up, exchanged, converted and exported: what comes out computes the same, or is refused."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, MAIN, build, ids, logits, shake
from peft import LoraConfig, PeftModel, convert_to_lora, get_peft_model, set_peft_model_state_dict
from test_contracts import LATER, cases
from torch import nn

import ssmpeft_lib
from ssmpeft_lib import SSMPeftConfig

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
SDT = "sdt,freeze_channels=0.9,freeze_states=0.5"
SDLORA = "sdlora,freeze_channels=0.9,freeze_states=0.5,rank=2"


def adapted(family: str, method: str, name: str = "default", **options) -> PeftModel:
    return get_peft_model(build(family), SSMPeftConfig(method=method), adapter_name=name, **options).eval()


def two(family: str, methods: tuple[str, str]) -> PeftModel:
    """A model with the adapters `a` and `b`, both away from their start."""
    model = adapted(family, methods[0], "a")
    model.add_adapter("b", SSMPeftConfig(method=methods[1]))
    model.base_model.set_requires_grad(["a", "b"])
    return shake(model, 0.1)


def changes(model: PeftModel, adapter: str) -> dict[str, torch.Tensor]:
    """What an adapter alone adds to each weight."""
    model.set_adapter(adapter)
    model.merge_adapter()
    merged = {n: p.clone() for n, p in model.named_parameters() if ".deltas." not in n}
    model.unmerge_adapter()
    return {n: merged[n] - p for n, p in model.named_parameters() if ".deltas." not in n}


@pytest.mark.parametrize("family", MAIN)
@pytest.mark.parametrize(
    "methods",
    [
        ("lora@linear,rank=2", "lora@linear,rank=3,alpha=5"),
        ("lora@linear,rank=2,rslora=true", "lora@linear,rank=3,alpha=5,rslora=true"),
        ("lora@linear+A_log,rank=2,rank_ssm=1", "lora@linear+A_log,rank=2,rank_ssm=3"),
        ("full@ssm", "full@ssm"),
        ("bitfit", "bitfit"),
        (SDLORA, SDLORA),
        ("lora@out_proj,also=D.conv1d", "lora@out_proj,also=D.conv1d"),
    ],
    ids=str,
)
def test_the_weighted_sum_is_the_sum_of_the_changes(family, methods, tmp_path):
    if family == "Mamba2" and "A_log" in methods[0]:
        methods = tuple(method.replace("A_log", "conv1d") for method in methods)
    model = two(family, methods)
    one, other = changes(model, "a"), changes(model, "b")
    model.set_adapter("a")
    model.add_weighted_adapter(["a", "b"], [0.7, -1.5], "c")
    assert model.active_adapters == ["a"]
    total = changes(model, "c")
    assert any(tensor.any() for tensor in total.values())
    for name, change in total.items():
        torch.testing.assert_close(change, 0.7 * one[name] - 1.5 * other[name], **CLOSE)
    model.save_pretrained(tmp_path, selected_adapters=["c"])
    again = PeftModel.from_pretrained(build(family), tmp_path / "c").eval()
    torch.testing.assert_close(logits(again, ids()), logits(model, ids()), **CLOSE)


def test_the_nearest_change_of_a_rank():
    model = two("Mamba", ("lora@out_proj,rank=2", "lora@out_proj,rank=2"))
    model.add_weighted_adapter(["a", "b"], [1.0, 1.0], "c", combination_type="svd", svd_rank=3)
    wanted = {name: changes(model, "a")[name] + change for name, change in changes(model, "b").items()}
    for name, change in changes(model, "c").items():
        if not change.any():
            continue
        left, values, right = torch.linalg.svd(wanted[name])
        values[3:] = 0
        torch.testing.assert_close(change, left[:, : len(values)] @ values.diag() @ right[: len(values)], **CLOSE)


@pytest.mark.parametrize(
    "methods, options, says",
    [
        (("lora@out_proj", "lora@in_proj"), {}, "differ in more than rank, alpha and dropout"),
        (("vera@out_proj,rank=4",) * 2, {}, "two vectors that scale shared matrices. cannot be added up"),
        (("lora@out_proj,pissa=true",) * 2, {}, "a low-rank update from singular vectors. cannot be added up"),
        (("state_offset",) * 2, {}, "no change of a weight and is not added up"),
        (("lora@out_proj", "dora@out_proj"), {}, "differ in more than rank"),
        (("dora@out_proj", "dora@out_proj"), {}, r"out_proj \(a low-rank update and a magnitude.*cannot be added up"),
        (("prompt,tokens=2", "prompt,tokens=2"), {}, "a learned state, prefix or prompt"),
        (("initial_state", "initial_state"), {}, "a learned state, prefix or prompt"),
        (("lora", "lora"), {"combination_type": "ties"}, "allowed are cat.*and svd"),
        (("lora", "lora"), {"adapter_name": "b"}, "has an adapter 'b' already"),
        (("lora", "lora"), {"adapters": ["a", "x"]}, "no adapter 'x'"),
        (("lora", "lora"), {"weights": [1.0]}, "1 weights for 2 adapters"),
        (("lora", "lora"), {"adapter_name": "c.d"}, "cannot be the name of an adapter"),
    ],
)
def test_what_cannot_be_added_up_is_refused_and_leaves_the_model_alone(methods, options, says):
    model = two("Mamba", methods)
    before, structure = logits(model, ids()), str(model)
    with pytest.raises(ValueError, match=says):
        model.add_weighted_adapter(**{"adapters": ["a", "b"], "weights": [1.0, 1.0], "adapter_name": "c"} | options)
    assert str(model) == structure and set(model.peft_config) == {"a", "b"}
    torch.testing.assert_close(logits(model, ids()), before)


@pytest.mark.parametrize("through_peft", [False, True])
@pytest.mark.parametrize("method", ["lora@linear,rank=2", SDLORA, "initial_state", "prompt,tokens=2", "full@ssm"])
def test_hotswap_takes_the_values_and_leaves_the_modules(method, through_peft, tmp_path):
    def make(seed):
        model = adapted("Mamba", method) if through_peft else ssmpeft_lib.adapt(build("Mamba"), method).eval()
        return shake(model, 0.1, seed)

    model, other = make(1), make(2)
    ssmpeft_lib.save(other, tmp_path)
    modules = [id(module) for module in model.modules()]
    assert not torch.allclose(logits(model, ids()), logits(other, ids()))
    ssmpeft_lib.hotswap(model, tmp_path)
    torch.testing.assert_close(logits(model, ids()), logits(other, ids()))
    assert [id(module) for module in model.modules()] == modules


def test_hotswap_refuses_another_method_and_keeps_the_values(tmp_path):
    model = shake(ssmpeft_lib.adapt(build("Mamba"), "lora@out_proj,rank=2"), 0.1)
    ssmpeft_lib.save(ssmpeft_lib.adapt(build("Mamba"), "lora@out_proj,rank=3"), tmp_path)
    before = logits(model, ids())
    with pytest.raises(ValueError, match="holds lora@out_proj,rank=3.*only adapters of one method"):
        ssmpeft_lib.hotswap(model, tmp_path)
    torch.testing.assert_close(logits(model, ids()), before)
    peft = adapted("Mamba", "lora@out_proj,rank=3")
    peft.merge_adapter()
    with pytest.raises(ValueError, match="is merged into the weights"):
        ssmpeft_lib.hotswap(peft, tmp_path)


@pytest.mark.parametrize("name", ["v1.0", "", "keys", "update", "a.b.c"])
def test_names_that_torch_cannot_keep_are_refused_in_words(name):
    with pytest.raises(ValueError, match="cannot be the name of an adapter"):
        adapted("Mamba", "lora", name)
    model = adapted("Mamba", "lora")
    structure = str(model)
    with pytest.raises(ValueError, match="cannot be the name of an adapter"):
        model.add_adapter(name, SSMPeftConfig(method="lora"))
    assert str(model) == structure and set(model.peft_config) == {"default"}


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "family, method",
    cases(
        ["Mamba", "Mamba2"],
        [*("lora@linear", "dora@linear", "full@ssm", SDLORA, "prompt,tokens=2", "prefix", "bitfit"), *LATER],
    ),
)
def test_adapters_stay_in_the_type_of_the_base_where_that_is_asked_for(family, method, kind, tmp_path):
    def dtypes(model):
        return {p.dtype for name, p in model.named_parameters() if ".deltas." in name}

    def make(**options):
        return get_peft_model(build(family).to(kind), SSMPeftConfig(method=method), **options)

    assert dtypes(make()) == {torch.float32}
    model = make(autocast_adapter_dtype=False)
    assert dtypes(model) == {kind}
    model.add_adapter("other", SSMPeftConfig(method=method), autocast_adapter_dtype=False)
    assert dtypes(model) == {kind}
    loss = model(ids(), labels=ids()).loss
    loss.backward()
    assert loss.isfinite()
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(build(family).to(kind), tmp_path, autocast_adapter_dtype=False)
    assert dtypes(again) == {kind}
    torch.testing.assert_close(logits(again.eval(), ids()), logits(model.eval(), ids()))


@pytest.mark.parametrize("method", ["full@in_proj", "dora@in_proj", "lora@in_proj,rank=2"])
def test_peft_converts_what_is_on_linear_layers(method):
    model = shake(adapted("Jamba", method), 0.02)
    found, tensors = convert_to_lora(model, rank=32)
    again = get_peft_model(build("Jamba"), found).eval()
    set_peft_model_state_dict(again, tensors)
    torch.testing.assert_close(logits(again, ids()), logits(model, ids()), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "method, says",
    [
        (SDT, "A_log of MambaMixer is no weight"),
        ("full@dt_proj", "reads the weight of .*dt_proj without calling it"),
        ("full@out_proj", "peft refuses LoRA on .*out_proj"),
        ("initial_state", "a learned state, prefix or prompt"),
    ],
)
def test_peft_does_not_convert_what_would_do_nothing(method, says):
    with pytest.warns(UserWarning, match=says), pytest.raises(TypeError):
        convert_to_lora(adapted("Mamba", method), rank=8)


def loaded_by_peft(family: str, folder) -> nn.Module:
    return PeftModel.from_pretrained(build(family), folder).eval()


LINEAR = {"Mamba": "in_proj+x_proj", "Jamba": "in_proj+x_proj+out_proj+attention", "Mamba2": "in_proj"}


@pytest.mark.parametrize("family", LINEAR)
@pytest.mark.parametrize("kind", ["full", "dora", "lora"])
@pytest.mark.parametrize("rank", [64, 0.9999999])
def test_any_change_of_linear_layers_is_exported(family, kind, rank, tmp_path):
    model = shake(ssmpeft_lib.adapt(build(family), f"{kind}@{LINEAR[family]}").eval(), 0.05)
    found = ssmpeft_lib.export_lora(model, tmp_path, rank=rank, strict=True)
    assert set(found.kept) == set(found.layers) and min(found.kept.values()) > 0.9999
    torch.testing.assert_close(
        logits(loaded_by_peft(family, tmp_path), ids()), logits(model, ids()), rtol=1e-3, atol=1e-3
    )
    assert isinstance(loaded_by_peft(family, tmp_path).peft_config["default"], LoraConfig)


def test_a_low_rank_keeps_the_share_of_the_energy_that_it_says(tmp_path):
    model = shake(ssmpeft_lib.adapt(build("Mamba"), "full@in_proj").eval(), 0.05)
    found = ssmpeft_lib.export_lora(model, tmp_path, rank=2)
    exported = loaded_by_peft("Mamba", tmp_path).merge_and_unload().state_dict()
    base, wanted = build("Mamba").state_dict(), ssmpeft_lib.merge(model).state_dict()
    for layer, share in found.kept.items():
        name = f"{layer}.weight"
        missed = (exported[name] - wanted[name]).square().sum() / (wanted[name] - base[name]).square().sum()
        assert 0 < share < 1 and abs(share + float(missed) - 1) < 1e-4


@pytest.mark.parametrize("rank", [0, -1, 2.5, 0.0])
def test_ranks_that_are_none(rank, tmp_path):
    with pytest.raises(ValueError, match="must be a whole number above 0, or a share"):
        ssmpeft_lib.export_lora(ssmpeft_lib.adapt(build("Mamba"), "full@in_proj"), tmp_path, rank=rank)


def test_without_a_rank_what_is_not_low_rank_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="give export_lora a rank"):
        ssmpeft_lib.export_lora(ssmpeft_lib.adapt(build("Mamba"), "full@in_proj"), tmp_path)


def test_every_family_exports(tmp_path):
    for family in FAMILIES:
        model = shake(ssmpeft_lib.adapt(build(family), "full@in_proj").eval(), 0.02)
        ssmpeft_lib.export_lora(model, tmp_path / family, rank=64)
        found = logits(loaded_by_peft(family, tmp_path / family), ids())
        torch.testing.assert_close(found, logits(model, ids()), rtol=1e-3, atol=1e-3)
