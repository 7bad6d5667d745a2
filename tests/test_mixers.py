"""The mixers' own forward: equal to transformers', also with padding, caches and chunks; learned starts behind it."""

from __future__ import annotations

import inspect

import pytest
import torch
from families import FAMILIES, MAIN, build, ids, logits, shake
from torch import nn
from transformers import DynamicCache

from ssmpeft_lib.adapters.api import adapt, remove
from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.adapters.inputs.starts import Start
from ssmpeft_lib.adapters.parts import mixer_kinds
from ssmpeft_lib.adapters.slots import SlotSpec
from ssmpeft_lib.compat.transformers import NAMES, cache_keyword
from ssmpeft_lib.mixers import MixerKind
from ssmpeft_lib.plan import registry

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def with_start(family: str) -> nn.Module:
    """A model with a learned state, and learned columns of the convolution, that are far from zero."""
    model = adapt(build(family), "initial_state,conv_state=true")
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(len(name)))
    return model


def left_padded(tokens: torch.Tensor, padding: int) -> dict[str, torch.Tensor]:
    """The second row shortened from the left by padding, with its mask and positions."""
    tokens, mask = tokens.clone(), torch.ones_like(tokens)
    tokens[1, :padding], mask[1, :padding] = 0, 0
    return {"input_ids": tokens, "attention_mask": mask}


@pytest.mark.parametrize("family", FAMILIES)
def test_forward_equals_transformers(family):
    stock = build(family)
    ours = adapt(build(family), "pretrained")
    torch.testing.assert_close(logits(ours, ids()), logits(stock, ids()), **CLOSE)
    assert type(remove(ours)).__mro__ == type(stock).__mro__


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_equal_transformers(family):
    stock = build(family)
    ours = adapt(build(family), "full")
    for model in (stock, ours):
        model(ids(), labels=ids()).loss.backward()
    expected = dict(stock.named_parameters())
    for name, parameter in ours.named_parameters():
        if expected[name].grad is not None:
            torch.testing.assert_close(parameter.grad, expected[name].grad, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_left_padding_changes_nothing(family):
    model = with_start(family)
    padded = left_padded(ids(), padding=4)
    alone = logits(model, ids()[1:, 4:])
    together = logits(model, padded["input_ids"], attention_mask=padded["attention_mask"])
    torch.testing.assert_close(together[1:, 4:], alone, **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_under_autocast(family):
    """Weights in float32 and arithmetic in bfloat16, as the paper trains; padding must not change a type on the way."""
    model = with_start(family)
    padded = left_padded(ids(), padding=4)
    expected = logits(model, **{"tokens": padded.pop("input_ids")}, **padded)
    with torch.autocast("cpu", torch.bfloat16):
        found = logits(model, left_padded(ids(), padding=4)["input_ids"], **padded)
        loss = model(**left_padded(ids(), padding=4), labels=ids()).loss
    loss.backward()
    torch.testing.assert_close(found.float()[1:, 4:], expected[1:, 4:], rtol=0.05, atol=0.05)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("family", FAMILIES)
def test_cached_generation_equals_full_forward(family):
    model = with_start(family)
    padded = left_padded(ids(), padding=3)
    options = {"max_new_tokens": 5, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
    cached, full = (model.generate(**padded, **options, use_cache=use_cache) for use_cache in (True, False))
    assert torch.equal(cached.sequences, full.sequences)
    torch.testing.assert_close(torch.stack(cached.logits), torch.stack(full.logits), **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_may_come_in_chunks(family):
    model = with_start(family)
    name, cache = cache_keyword(model), DynamicCache(config=model.config)
    pieces = zip(ids().tensor_split([4, 5], dim=1), torch.arange(9)[None].tensor_split([4, 5], dim=1), strict=True)
    # Bamba counts positions from 0 in each piece unless they are given
    chunks = [
        logits(model, tokens, use_cache=True, **{name: cache}, **({"position_ids": at} if family == "Bamba" else {}))
        for tokens, at in pieces
    ]
    torch.testing.assert_close(torch.cat(chunks, dim=1), logits(model, ids()), **CLOSE)


@pytest.mark.parametrize("family", MAIN)
def test_a_cache_that_is_used_again_knows_nothing_of_older_weights(family):
    model = adapt(build(family), "full")
    name, cache = cache_keyword(model), DynamicCache(config=model.config)
    for by in (0.0, 0.5):
        shake(model, by)
        steps = [logits(model, tokens, use_cache=True, **{name: cache}) for tokens in ids().tensor_split([7, 8], dim=1)]
        torch.testing.assert_close(torch.cat(steps, dim=1), logits(model, ids()), **CLOSE)
        cache.reset()


@pytest.mark.parametrize("family", FAMILIES)
def test_prefix_is_what_stands_in_front_of_the_mixer(family):
    """Starting after a prefix equals running the scan over prefix and sequence (Proposition 1)."""
    model = adapt(build(family), "pretrained")
    mixer = Backbone(model).mixers[0].module
    with torch.no_grad():
        streams = mixer._project(torch.randn(1, 7, model.config.hidden_size))
        whole = mixer._scan(streams, Start(), None, None)
        if len(streams) == 2:  # x and z, channels first
            prefix, rest = streams[0][0, :, :3].t(), [part[..., 3:] for part in streams]
        else:
            prefix, rest = torch.cat(streams[1:], dim=-1)[0, :3], [part[:, 3:] for part in streams]
        torch.testing.assert_close(mixer._scan(rest, mixer.start_after(prefix), None, None), whole[:, 3:], **CLOSE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", ["Mamba", "Mamba2"])
def test_a_mixer_takes_the_cache_under_each_of_its_names(family, name):
    model = adapt(build(family), "pretrained")
    mixer, hidden = Backbone(model).mixers[0].module, torch.randn(2, 6, model.config.hidden_size)
    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        pieces = [mixer(piece, **{name: cache}) for piece in hidden.tensor_split([4, 5], dim=1)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), mixer(hidden), **CLOSE)


@pytest.mark.parametrize("family", ["Mamba", "Mamba2"])
def test_a_mixer_swallows_no_keyword(family):
    model = adapt(build(family), "pretrained")
    mixer, hidden = Backbone(model).mixers[0].module, torch.randn(2, 6, model.config.hidden_size)
    with pytest.raises(TypeError, match=f"inference_params: nothing is known.*{type(mixer).__name__}"):
        mixer(hidden, inference_params={})
    harmless = {"inference_params": None, "use_cache": True, "num_items_in_batch": torch.tensor(12)}
    torch.testing.assert_close(mixer(hidden, **harmless), mixer(hidden), rtol=0, atol=0)


def test_positions_at_padding_are_no_new_document():
    """generate counts positions from the first real token and puts a constant at padding."""
    model = adapt(build("Bamba"), "lora@out_proj")
    padded, alone = left_padded(ids(), padding=4), logits(model, ids()[1:, 4:])
    for filling in (0, 1):
        positions = (padded["attention_mask"].cumsum(1) - 1).masked_fill(padded["attention_mask"] == 0, filling)
        given = {"attention_mask": padded["attention_mask"], "position_ids": positions}
        together = logits(model, padded["input_ids"], **given)
        torch.testing.assert_close(together[1:, 4:], alone, **CLOSE)


@pytest.mark.parametrize("name", registry.files("mixers"))
def test_every_kind_keeps_the_contract(name):
    """A hook of another name or with other parameters would be passed over, or fail in a run."""
    kind = mixer_kinds()[name]
    own = {key: value for key, value in vars(kind).items() if inspect.isfunction(value) and not key.startswith("_")}
    hooks = {key: value for key, value in own.items() if value.__module__ == kind.__name__}
    contract = dict(inspect.getmembers(MixerKind, inspect.isfunction))
    assert hooks.keys() <= contract.keys() and "matches" in hooks
    for key, hook in hooks.items():
        assert list(inspect.signature(hook).parameters) == list(inspect.signature(contract[key]).parameters), key
    assert {slot for slots in kind.GROUPS.values() for slot in slots} <= set(kind.SLOTS)
    assert all(isinstance(spec, SlotSpec) for spec in kind.SLOTS.values())
