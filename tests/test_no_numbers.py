"""What used to end in NaN: rows of zeros under DoRA, and batches without a label."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from families import build, ids, logits
from peft import get_peft_model

import ssmpeft_lib
from ssmpeft_lib import SSMPeftConfig

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def with_zero_rows(family: str, layer: str, rows: slice):
    model = build(family)
    for name, parameter in model.named_parameters():
        if name.endswith(f"{layer}.weight"):
            parameter.data[rows] = 0.0
    return model


@pytest.mark.parametrize("method", ["dora@out_proj", "dora@linear,rank=2", "dora@x_proj,rank=2"])
@pytest.mark.parametrize("rows", [slice(0, 1), slice(2, 5), slice(None)], ids=str)
def test_rows_of_zeros_train_and_merge(method, rows):
    layer = "x_proj" if "x_proj" in method else "out_proj"
    base = with_zero_rows("Mamba", layer, rows)
    model = ssmpeft_lib.adapt(copy.deepcopy(base), method)
    torch.testing.assert_close(logits(model, ids()), logits(base, ids()), **CLOSE)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(3):
        model(input_ids=ids(), labels=ids()).loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all(), name
        optimizer.step()
        optimizer.zero_grad()
    trained = logits(model, ids())
    assert trained.isfinite().all()
    merged = ssmpeft_lib.merge(model)
    torch.testing.assert_close(logits(merged, ids()), trained, **CLOSE)
    weight = next(p for name, p in merged.named_parameters() if name.endswith(f"{layer}.weight"))
    # without B and C there is no state through which anything could learn
    assert weight[rows].abs().max() > 0 or (layer, rows) == ("x_proj", slice(None)), "a row of zeros learns, too"


@pytest.mark.parametrize("through_peft", [False, True], ids=["ours", "peft"])
@pytest.mark.parametrize("first", [-100, 3])
def test_a_batch_without_labels_is_named(through_peft, first):
    if through_peft:
        model = get_peft_model(build("Mamba"), SSMPeftConfig(method="lora", task_type="CAUSAL_LM"))
    else:
        model = ssmpeft_lib.adapt(build("Mamba"), "lora")
    labels = torch.full_like(ids(), -100)
    labels[:, 0] = first
    named = rf"batch of \[2, 9\] labels, whose first row begins with the ids \[{ids()[0, 0]}, .*all labels are -100"
    with pytest.warns(UserWarning, match=named):
        model(input_ids=ids(), labels=labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels[1, 4] = 5
        assert model(input_ids=ids(), labels=labels).loss.isfinite()


def test_the_warm_up_names_a_batch_without_labels_and_leaves_the_model_as_it_was():
    model = ssmpeft_lib.adapt(build("Mamba"), "sdt")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    good = {"input_ids": ids(), "labels": ids()}
    bad = {"input_ids": ids(), "labels": torch.full_like(ids(), -100)}
    with pytest.warns(UserWarning, match="all labels"), pytest.raises(ValueError, match="batch 1 of the warm-up"):
        ssmpeft_lib.initialize_sdt_weights(model, [good, bad], steps=4)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, msg=name)
