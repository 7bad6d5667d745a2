"""Packed rows: each document is computed as if it had a row of its own, in every family, values and gradients."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from families import FAMILIES, build, ids, logits, shake
from peft import get_peft_model
from required import torch_compiles
from torch import Tensor, nn
from transformers import DataCollatorWithFlattening, DynamicCache

import ssmpeft_lib
from ssmpeft_lib import SSMPeftConfig
from ssmpeft_lib.adapters.backbone import Backbone
from ssmpeft_lib.adapters.documents import documents_of
from ssmpeft_lib.compat.transformers import cache_keyword

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
LENGTHS = [4, 1, 9, 2]
"""Lengths of the documents of a row: shorter and longer than the convolution, and than the chunks of the scan."""

TOTAL = sum(LENGTHS)
NUMBERS = torch.repeat_interleave(torch.arange(len(LENGTHS), dtype=torch.int32), torch.tensor(LENGTHS))[None]
ENDS = torch.tensor([0, 4, 5, 14, 16], dtype=torch.int32)
POSITIONS = torch.cat([torch.arange(length) for length in LENGTHS])[None]
TOLD = {
    "seq_idx": {"seq_idx": NUMBERS},
    "lengths": {"cu_seq_lens_q": ENDS, "cu_seq_lens_k": ENDS, "max_length_q": 9, "max_length_k": 9},
    "positions": {"position_ids": POSITIONS},
    "from one": {"position_ids": POSITIONS + 1},
    "all": {"seq_idx": NUMBERS, "cu_seq_lens_q": ENDS, "cu_seq_lens_k": ENDS, "position_ids": POSITIONS},
    "with a mask": {"position_ids": POSITIONS, "attention_mask": torch.ones(1, TOTAL, dtype=torch.int64)},
    "running positions": {"seq_idx": NUMBERS, "position_ids": torch.arange(TOTAL)[None]},
}
METHODS = (
    *("lora@linear,rank=2", "full", "initial_state,conv_state=true", "prefix,tokens=2,hidden=4"),
    *("state_offset", "output_offset", "additional_scan,states=3", "parallel_adapter", "affix"),
)
every_family = pytest.mark.parametrize("family", FAMILIES)


def adapted(family: str, method: str = "lora@out_proj", **sizes) -> nn.Module:
    torch.manual_seed(0)
    return shake(ssmpeft_lib.adapt(build(family, **sizes), method), 0.1)


def documents(row: int = 0) -> list[Tensor]:
    return list(ids(2, TOTAL)[row : row + 1].split(LENGTHS, dim=1))


def one_by_one(model: nn.Module, row: int = 0) -> Tensor:
    return torch.cat([logits(model, document) for document in documents(row)], dim=1)


def gradients(model: nn.Module, calls: list[dict]) -> dict[str, Tensor]:
    """Of a fixed weighting of the logits, summed over calls."""
    model.zero_grad()
    found = torch.cat([model(**call).logits.flatten(0, 1) for call in calls])
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(3))
    (found * weights).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same_gradients(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys() and expected
    for name, gradient in expected.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5 * max(1.0, scale), msg=name)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("told", TOLD)
@every_family
def test_each_document_has_a_row_of_its_own(family, told, attention):
    model = adapted(family)
    if "Mamba" not in family:
        model.set_attn_implementation(attention)
    torch.testing.assert_close(logits(model, ids(2, TOTAL)[:1], **TOLD[told]), one_by_one(model), **CLOSE)
    # and a call after it runs on, as before
    torch.testing.assert_close(logits(model, documents()[2]), one_by_one(model)[:, 5:14], **CLOSE)


@pytest.mark.parametrize("method", METHODS)
@every_family
def test_gradients_are_those_of_documents_one_by_one(family, method):
    if method.startswith("additional_scan") and family not in ("Mamba", "FalconMamba", "Jamba"):
        pytest.skip("a state of Mamba-2 has no decay of its own")
    model = adapted(family, method)
    packed = [{"input_ids": ids(2, TOTAL)[:1], **TOLD["all"]}]
    expected = gradients(model, [{"input_ids": document, "use_cache": False} for document in documents()])
    assert_same_gradients(gradients(model, packed), expected)
    torch.testing.assert_close(logits(model, **{"tokens": packed[0]["input_ids"]}, **TOLD["all"]), one_by_one(model))


@pytest.mark.parametrize("reentrant", [False, True])
@every_family
def test_checkpointing_recomputes_the_same_documents(family, reentrant):
    model = adapted(family, "full").train()
    packed, plain = {"input_ids": ids(2, TOTAL)[:1], **TOLD["all"]}, {"input_ids": ids()}
    expected = gradients(model, [packed, plain])
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    # another call stands between the forward and the backward of each
    assert_same_gradients(gradients(model, [packed, plain]), expected)


@every_family
def test_rows_of_a_batch_have_documents_of_their_own(family):
    model, tokens = adapted(family, "initial_state"), ids(2, TOTAL)
    numbers = torch.cat([NUMBERS, torch.tensor([[0] * 10 + [1] * 6], dtype=torch.int32)])
    second = torch.cat([logits(model, part) for part in tokens[1:].split([10, 6], dim=1)], dim=1)
    expected = torch.cat([one_by_one(model), second])
    lengths = torch.tensor([0, 4, 5, 14, 16, 26, 32])
    positions = torch.stack([POSITIONS[0], torch.cat([torch.arange(10), torch.arange(6)])])
    for told in ({"seq_idx": numbers}, {"cu_seq_lens_q": lengths}, {"position_ids": positions}):
        torch.testing.assert_close(logits(model, tokens, **told), expected, **CLOSE)


@pytest.mark.parametrize("side", ["left", "right", "both", "between"])
@every_family
def test_padding_in_packed_rows_is_no_part_of_a_document(family, side):
    model, (first, _, second, third) = adapted(family, "initial_state"), documents()
    pad = torch.zeros(1, 3, dtype=torch.int64)
    parts = {
        "left": [pad, first, second],
        "right": [first, second, pad],
        "both": [pad, first, second, third, pad],
        "between": [first, pad, second],
    }[side]
    tokens = torch.cat(parts, dim=1)
    mask = torch.cat([torch.full_like(part, part is not pad) for part in parts], dim=1)
    number = torch.cat([torch.full_like(part, i) for i, part in enumerate(parts)], dim=1)
    counted = torch.cat([torch.arange(part.shape[1])[None] * (part is not pad) for part in parts], dim=1)
    expected = torch.cat([logits(model, part) for part in parts if part is not pad], dim=1)
    for told in ({"seq_idx": number}, {"position_ids": counted}, {"seq_idx": number, "position_ids": counted}):
        found = logits(model, tokens, attention_mask=mask, **told)
        torch.testing.assert_close(found[mask != 0], expected[0], **CLOSE)


@pytest.mark.parametrize("options", [{}, {"return_seq_idx": True, "return_flash_attn_kwargs": True}], ids=str)
@pytest.mark.parametrize("through_peft", [False, True], ids=["ours", "peft"])
@every_family
def test_flattened_batches(family, through_peft, options):
    if through_peft:
        config = SSMPeftConfig(method="lora@out_proj", task_type="CAUSAL_LM")
        model = shake(get_peft_model(build(family), config), 0.1)
    else:
        model = adapted(family)
    batch = DataCollatorWithFlattening(**options)([{"input_ids": part[0].tolist()} for part in documents()])
    with torch.no_grad():
        found = model(**batch)
    torch.testing.assert_close(found.logits, one_by_one(model), **CLOSE)
    # the first token of a document has none before it to be predicted from
    losses = nn.functional.cross_entropy(found.logits[0, :-1], batch["labels"][0, 1:], ignore_index=-100)
    torch.testing.assert_close(found.loss, losses, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("mask", [None, torch.ones(1, TOTAL, dtype=torch.int64)], ids=["no mask", "mask"])
def test_the_loss_that_balances_experts_sees_no_mask_of_pairs(mask):
    model = adapted("Jamba").train()
    found = model(
        ids(2, TOTAL)[:1], attention_mask=mask, labels=ids(2, TOTAL)[:1], seq_idx=NUMBERS, output_router_logits=True
    )
    assert found.loss.isfinite() and found.aux_loss.isfinite()


@every_family
def test_embeddings_and_positional_arguments(family):
    model, tokens = adapted(family), ids(2, TOTAL)[:1]
    embeddings = model.get_input_embeddings()(tokens)
    with torch.no_grad():
        found = model(inputs_embeds=embeddings, seq_idx=NUMBERS).logits
    torch.testing.assert_close(found, one_by_one(model), **CLOSE)
    core = model.get_submodule(Backbone(model).path)
    with torch.no_grad():
        apart = torch.cat([core(document)[0] for document in documents()], dim=1)
        torch.testing.assert_close(core(tokens, seq_idx=NUMBERS)[0], apart, **CLOSE)


@pytest.mark.parametrize("family", ["Mamba", "Mamba2", "Bamba"])
def test_a_mixer_that_is_called_alone(family):
    model = adapted(family, "initial_state,conv_state=true")
    mixer, hidden = Backbone(model).mixers[0].module, torch.randn(1, TOTAL, model.config.hidden_size)
    with torch.no_grad():
        expected = torch.cat([mixer(part) for part in hidden.split(LENGTHS, dim=1)], dim=1)
        for told in ({"seq_idx": NUMBERS}, {"cu_seq_lens_q": ENDS}, {"position_ids": POSITIONS}):
            torch.testing.assert_close(mixer(hidden, **told), expected, **CLOSE)
        with pytest.raises(ValueError, match="a cache cannot hold several documents"):
            mixer(hidden, seq_idx=NUMBERS, cache=DynamicCache(config=model.config))


@every_family
def test_one_document_a_row_changes_nothing(family):
    model, expected = adapted(family, "initial_state"), logits(adapted(family, "initial_state"), ids())
    one = {
        "seq_idx": torch.zeros(2, 9, dtype=torch.int32),
        "cu_seq_lens_q": torch.tensor([0, 9, 18]),
        "position_ids": torch.arange(9)[None],
    }
    for name, value in one.items():
        torch.testing.assert_close(logits(model, ids(), **{name: value}), expected, **CLOSE)


@every_family
def test_copies_pickles_and_removed_adapters(family):
    model, tokens = adapted(family), ids(2, TOTAL)[:1]
    expected = one_by_one(model)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(logits(other, tokens, seq_idx=NUMBERS), expected, **CLOSE)
    plain = ssmpeft_lib.remove(model)
    core = plain.get_submodule(Backbone(plain).path)
    for module in (plain, core):
        assert not module._forward_pre_hooks and not module._forward_hooks and not hasattr(module, "reads_documents")
    assert all(
        type(block).__mro__ == type(stock).__mro__ for block, stock in zip(core.layers, _layers(family), strict=True)
    )


def _layers(family: str) -> nn.ModuleList:
    stock = build(family)
    return stock.get_submodule(Backbone(stock).path).layers


@every_family
def test_a_soft_prompt_and_a_cache_are_refused(family):
    model, tokens = adapted(family, "prompt,tokens=2"), ids(2, TOTAL)[:1]
    with pytest.raises(ValueError, match="a soft prompt stands in front of a row.*give every document a row"):
        model(tokens, **TOLD["all"])
    # a call that failed leaves nothing behind
    assert logits(model, ids()).shape == (2, 9, 64)
    model = adapted(family)
    with pytest.raises(ValueError, match="a cache cannot hold several documents"):
        model(tokens, seq_idx=NUMBERS, use_cache=True, **{cache_keyword(model): DynamicCache(config=model.config)})
    torch.testing.assert_close(logits(model, tokens, seq_idx=NUMBERS, use_cache=True), one_by_one(model), **CLOSE)


@pytest.mark.parametrize(
    "told, message",
    [
        ({"seq_idx": NUMBERS[:, 1:]}, r"seq_idx has shape \[1, 15\], expected \[batch, seq_len\] = \[1, 16\]"),
        ({"cu_seq_lens_q": torch.tensor([0, 4, 15])}, r"cu_seq_lens_q is \[0, 4, 15\], expected .* from 0 to 16"),
        ({"cu_seqlens": torch.tensor([0, 9, 4, 16])}, r"cu_seqlens is \[0, 9, 4, 16\], expected .* from 0 to 16"),
        (
            {"seq_idx": NUMBERS, "attention_mask": torch.tensor([[1] * 8 + [0] + [1] * 7])},
            "zeros between the tokens of one document",
        ),
    ],
)
def test_what_does_not_fit_is_named(told, message):
    with pytest.raises(ValueError, match=message):
        adapted("Bamba")(ids(2, TOTAL)[:1], **told)


def test_a_document_over_the_end_of_a_row_is_refused():
    with pytest.raises(ValueError, match=r"cu_seqlens is \[0, 12, 18\]: a document goes over the end of a row of 9"):
        adapted("Mamba")(ids(), cu_seqlens=torch.tensor([0, 12, 18]))


def test_an_attention_that_is_not_known_is_refused():
    model = adapted("Bamba")
    model.config._attn_implementation = "own"
    with pytest.raises(ValueError, match="attention of the kind 'own'.*attn_implementation='sdpa'"):
        model(ids(2, TOTAL)[:1], seq_idx=NUMBERS)


def test_flash_attention_is_told_the_lengths(monkeypatch):
    model, seen = adapted("Bamba"), {}
    model.config._attn_implementation = "flash_attention_2"
    attention = next(module for module in model.modules() if hasattr(module, "q_proj"))
    monkeypatch.setattr(
        attention,
        "forward",
        lambda hidden_states, **given: seen.update(given) or (torch.zeros_like(hidden_states), None),
    )
    logits(model, ids(2, TOTAL)[:1], seq_idx=NUMBERS)
    assert seen["cu_seq_lens_q"].tolist() == seen["cu_seq_lens_k"].tolist() == ENDS.tolist()
    assert seen["cu_seq_lens_q"].dtype == torch.int32 and (seen["max_length_q"], seen["max_length_k"]) == (9, 9)
    assert seen["attention_mask"] is None


@torch_compiles
@pytest.mark.parametrize("family", ["Mamba", "Mamba2", "Bamba"])
def test_packed_rows_in_a_compiled_graph(family):
    model, tokens = adapted(family), ids(2, TOTAL)[:1]
    compiled = torch.compile(model, backend="aot_eager")
    for told in ({"seq_idx": NUMBERS}, {"position_ids": POSITIONS}):
        torch.testing.assert_close(logits(compiled, tokens, **told), one_by_one(model), **CLOSE)


@torch_compiles
def test_masks_beside_documents_in_a_compiled_graph():
    model, tokens = adapted("Mamba"), ids(2, TOTAL)[:1]
    compiled = torch.compile(model, backend="aot_eager")
    mask = torch.ones(1, TOTAL, dtype=torch.int64)
    mask[:, :2] = 0
    parts = [tokens[:, 2:4], *documents()[1:]]
    found = logits(compiled, tokens, attention_mask=mask, seq_idx=NUMBERS)
    torch.testing.assert_close(found[:, 2:], torch.cat([logits(model, part) for part in parts], dim=1), **CLOSE)
    with pytest.raises(RuntimeError, match="a compiled model needs seq_idx to know"):
        logits(compiled, tokens, attention_mask=mask, position_ids=POSITIONS)
    running = torch.arange(TOTAL)[None]
    expected = logits(model, tokens, attention_mask=mask)
    torch.testing.assert_close(logits(compiled, tokens, attention_mask=mask, position_ids=running), expected, **CLOSE)


def test_documents_are_numbered():
    def numbered(batch, seq_len, **arguments):
        found = documents_of(arguments, batch, seq_len)
        return None if found is None else found.tolist()

    assert numbered(1, 5, position_ids=torch.tensor([[3, 4, 0, 1, 0]])) == [[0, 0, 1, 1, 2]]
    assert numbered(1, 5, position_ids=torch.tensor([[3, 4, 7, 8, 9]])) is None
    assert numbered(2, 3, seq_idx=torch.tensor([[7, 7, 2]])) == [[0, 0, 1], [0, 0, 1]]
    assert numbered(1, 5, cu_seqlens=torch.tensor([0, 2, 2, 5])) == [[0, 0, 1, 1, 1]]
    assert numbered(2, 2, cu_seqlens=torch.tensor([0, 2, 3, 4])) == [[0, 0], [0, 1]]
    mask = torch.tensor([[0, 1, 1, 1, 0]])
    assert numbered(1, 5, position_ids=torch.tensor([[1, 0, 1, 0, 1]]), attention_mask=mask) == [[0, 1, 1, 2, 3]]
    assert numbered(1, 5, position_ids=torch.tensor([[1, 0, 1, 2, 1]]), attention_mask=mask) is None
    assert numbered(1, 1, position_ids=torch.tensor([[0]])) is None
    assert numbered(1, 5, seq_idx=None) is None and numbered(1, 5) is None
