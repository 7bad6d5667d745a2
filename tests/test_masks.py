"""One meaning of the attention mask: in one forward and in several, with adapters, disabled, merged or without."""

from __future__ import annotations

import copy

import pytest
import torch
from families import FAMILIES, build, ids, logits, shake
from peft import get_peft_model
from torch import Tensor, nn
from transformers import DynamicCache

import ssmpeft_lib
from ssmpeft_lib.compat.transformers import cache_keyword

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
MASKS = {
    "left": [[0, 0, 0, 1, 1, 1, 1, 1, 1], [1] * 9],
    "right": [[1, 1, 1, 1, 1, 0, 0, 0, 0], [1] * 9],
    "between": [[1, 1, 0, 1, 1, 0, 0, 1, 1], [1, 1, 1, 1, 1, 0, 1, 1, 1]],
    "all": [[0, 1, 1, 0, 1, 1, 1, 0, 1], [1, 1, 1, 1, 1, 1, 1, 0, 0]],
    "late": [[0, 0, 0, 0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1, 1, 1]],
}
LEARNED = [
    *("initial_state,conv_state=true", "initial_state", "prefix,tokens=2,hidden=4", "prompt,tokens=3"),
    *("state_offset", "output_offset", "affix"),
]
every_mask = pytest.mark.parametrize("mask", MASKS, ids=str)
every_family = pytest.mark.parametrize("family", FAMILIES)


def adapted(family: str, method: str) -> nn.Module:
    torch.manual_seed(0)
    model = ssmpeft_lib.adapt(build(family), method)
    return shake(model, 0.3 if method in LEARNED else 0.1)


def where_real(found: Tensor, expected: Tensor, mask: Tensor) -> None:
    torch.testing.assert_close(found[mask != 0], expected[mask != 0], **CLOSE)


def in_pieces(model: nn.Module, mask: Tensor, cuts: list[int]) -> Tensor:
    """Logits with a cache, piece by piece; a mask tells of all tokens up to the end of the piece."""
    cache, found = DynamicCache(config=model.config), []
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    for begin, end in zip([0, *cuts], [*cuts, 9], strict=True):
        options = {"use_cache": True, cache_keyword(model): cache, "attention_mask": mask[:, :end]}
        if "hidden_size" in model.config.to_dict() and cache_keyword(model) == "past_key_values":
            options["position_ids"] = positions[:, begin:end]
        if model.config.model_type in ("mamba", "falcon_mamba") and begin and not hasattr(model, "ssmpeft"):
            options["attention_mask"] = mask[:, begin:end]
        found.append(logits(model, ids()[:, begin:end], **options))
    return torch.cat(found, 1)


def seen(family: str, mask: Tensor, cuts: list[int]) -> bool:
    """Whether every piece's mask reaches the mixers: most models drop it where a call holds a single token."""
    single = [begin for begin, end in zip([0, *cuts], [*cuts, 9], strict=True) if end - begin == 1]
    return family in ("Mamba", "FalconMamba") or bool(mask[:, single].all())


def in_one(model: nn.Module, mask: Tensor) -> Tensor:
    options = {"attention_mask": mask}
    if cache_keyword(model) == "past_key_values":
        options["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    return logits(model, ids(), **options)


@every_mask
@every_family
def test_a_mask_means_what_it_means_in_transformers(family, mask):
    mask = torch.tensor(MASKS[mask])
    expected = in_one(build(family), mask)
    where_real(in_one(adapted(family, "pretrained"), mask), expected, mask)
    model = get_peft_model(build(family), ssmpeft_lib.SSMPeftConfig(method="lora@linear,rank=2")).eval()
    shake(model, 0.1)
    base = model.get_base_model()
    acting = in_one(base, mask)
    with model.disable_adapter():
        where_real(in_one(base, mask), expected, mask)
    where_real(in_one(model.merge_and_unload(), mask), acting, mask)


@every_mask
@every_family
def test_one_forward_and_a_continued_one_agree(family, mask):
    mask = torch.tensor(MASKS[mask])
    for method in ("lora@linear,rank=2", *LEARNED[:3]):
        model = adapted(family, method)
        for cuts in ([4], [2, 3, 7], [2, 4, 7], list(range(1, 9))):
            if seen(family, mask, cuts):
                where_real(in_pieces(model, mask, cuts), in_one(model, mask), mask)


@pytest.mark.parametrize("method", LEARNED)
@every_family
def test_padding_around_a_row_changes_nothing_of_it(family, method):
    model, tokens = adapted(family, method), ids()
    mask = torch.tensor([[0, 1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 0, 0, 0]])
    for implicit in (True, False):
        together = logits(model, tokens, attention_mask=mask) if implicit else in_one(model, mask)
        torch.testing.assert_close(together[:1, 1:], logits(model, tokens[:1, 1:]), **CLOSE)
        torch.testing.assert_close(together[1:, :6], logits(model, tokens[1:, :6]), **CLOSE)


@pytest.mark.parametrize("cuts", [[4], [4, 6], [3, 5, 7], list(range(1, 9))], ids=str)
@every_family
def test_a_prompt_is_seen_once_when_the_model_goes_on(family, cuts):
    model = adapted(family, "prompt,tokens=3")
    for mask in (torch.ones_like(ids()), *map(torch.tensor, MASKS.values())):
        # a row begins with its first piece
        if mask[:, : cuts[0]].any(1).all() and seen(family, mask, cuts):
            where_real(in_pieces(model, mask, cuts), in_one(model, mask), mask)


@pytest.mark.parametrize("method", [*LEARNED, "lora@linear,rank=2"])
@every_family
def test_generation_goes_on_from_its_cache(family, method):
    model = adapted(family, method)
    mask = torch.tensor(MASKS["left"])
    options = {"do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    whole = model.generate(ids(), attention_mask=mask, max_new_tokens=6, **options)
    first = model.generate(ids(), attention_mask=mask, max_new_tokens=3, **options, return_dict_in_generate=True)
    name = cache_keyword(model)
    cache = getattr(first, name, None)
    if name != "past_key_values":
        pytest.skip("transformers' generate does not go on from the cache of these models")
    longer = torch.cat([mask, mask.new_ones(2, 3)], 1)
    assert cache.get_seq_length() == 11
    again = copy.deepcopy(cache)
    for held in (cache, again):
        found = model.generate(
            first.sequences, attention_mask=longer, past_key_values=held, max_new_tokens=3, **options
        )
        assert torch.equal(found, whole)


@pytest.mark.parametrize("method", LEARNED)
def test_a_cache_that_holds_a_prompt_after_a_failed_call(method):
    model, cache = adapted("Jamba", method), None
    cache = DynamicCache(config=model.config)
    logits(model, ids()[:, :4], past_key_values=cache, use_cache=True)
    with pytest.raises(Exception):  # noqa: B017, PT011
        model(ids()[:, 4:].float(), past_key_values=cache, use_cache=True)
    assert cache.get_seq_length() == 4


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in ("Mamba", "FalconMamba", "Mamba2")])
def test_given_positions_are_honoured_behind_a_prompt(family):
    model = adapted(family, "prompt,tokens=3")
    shifted = torch.arange(9)[None] + 5
    jumping = torch.tensor([[0, 1, 2, 10, 11, 12, 30, 31, 32]])
    torch.testing.assert_close(logits(model, ids(), position_ids=torch.arange(9)[None]), logits(model, ids()), **CLOSE)
    torch.testing.assert_close(logits(model, ids(), position_ids=shifted), logits(model, ids()), rtol=1e-3, atol=1e-4)
    if family not in ("Jamba", "NemotronH", "GraniteMoeHybrid", "Zamba2"):
        # the others do not look at positions
        assert (logits(model, ids(), position_ids=jumping) - logits(model, ids())).abs().max() > 1e-3


@every_family
def test_outputs_of_a_prompted_model_have_the_length_of_the_tokens(family):
    model = adapted(family, "prompt,tokens=3")
    core = model.get_submodule(ssmpeft_lib.adapters.backbone.Backbone(model).path)
    named = core(ids(), output_hidden_states=True, return_dict=True)
    plain = core(ids(), output_hidden_states=True, return_dict=False)
    assert named.last_hidden_state.shape[1] == plain[0].shape[1] == 9
    states = next(value for value in plain if isinstance(value, tuple))
    assert {state.shape[1] for state in (*states, *named.hidden_states)} == {9}
