"""LoRA and DoRA against peft's own tuners: the same outputs and gradients from the same weights and seeds."""

from __future__ import annotations

import pytest
import torch
from families import build, ids, shake
from peft import LoraConfig, get_peft_model
from torch import nn

from ssmpeft_lib import adapt

CLOSE = {"rtol": 1e-4, "atol": 1e-6}
FAMILIES = ("Mamba", "FalconMamba", "Mamba2", "Jamba")


def stock(family: str, rank: int, dropout: float, dora: bool) -> nn.Module:
    """peft's adapter on the whole of in_proj, away from its start."""
    torch.manual_seed(0)
    options = {"r": rank, "lora_alpha": 2 * rank, "lora_dropout": dropout, "use_dora": dora}
    return shake(get_peft_model(build(family), LoraConfig(target_modules=["in_proj"], **options)), 0.1)


def pairs(ours: nn.Module, theirs: nn.Module):
    """The adapted layers of both models, one behind the other."""
    base = theirs.get_base_model()
    for name, module in ours.named_modules():
        if name.endswith(".in_proj"):
            yield module, base.get_submodule(name)


def copy_from(theirs: nn.Module, ours: nn.Module) -> None:
    """Give each block of rows of ours the values that peft's one adapter has for these rows."""
    with torch.no_grad():
        for layer, other in pairs(ours, theirs):
            for slot, delta in layer.deltas["default"].items():
                rows = layer.regions[slot].rows
                delta.lora_A.copy_(other.lora_A["default"].weight)
                delta.lora_B.copy_(other.lora_B["default"].weight[rows])
                if hasattr(delta, "magnitude"):
                    delta.magnitude.copy_(other.lora_magnitude_vector["default"].weight[rows])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["lora", "dora"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_in_proj_equals_stock_peft(family, method, training):
    theirs = stock(family, rank=2, dropout=0.0, dora=method == "dora")
    blocks = "in_proj+in_proj_B+in_proj_C+in_proj_dt" if family == "Mamba2" else "in_proj"
    ours = adapt(build(family), f"{method}@{blocks},rank=2,alpha=4,dropout=0")
    copy_from(theirs, ours)
    outputs = [model.train(training)(ids(), labels=ids()) for model in (ours, theirs)]
    torch.testing.assert_close(outputs[0].logits, outputs[1].logits, **CLOSE)
    for output in outputs:
        output.loss.backward()
    for layer, other in pairs(ours, theirs):
        deltas = layer.deltas["default"]
        # every block has its own lora_A where peft has one for all rows
        total = sum(delta.lora_A.grad for delta in deltas.values())
        torch.testing.assert_close(total, other.lora_A["default"].weight.grad, **CLOSE)
        for slot, delta in deltas.items():
            rows = layer.regions[slot].rows
            torch.testing.assert_close(delta.lora_B.grad, other.lora_B["default"].weight.grad[rows], **CLOSE)
            if method == "dora":
                theirs_grad = other.lora_magnitude_vector["default"].weight.grad[rows]
                torch.testing.assert_close(delta.magnitude.grad, theirs_grad, **CLOSE)


@pytest.mark.parametrize("family", ["Mamba", "Jamba"])
def test_dropout_of_the_same_seed_drops_the_same(family):
    theirs = stock(family, rank=2, dropout=0.3, dora=False)
    ours = adapt(build(family), "lora@in_proj_x,rank=2,alpha=4,dropout=0.3")
    with torch.no_grad():
        for layer, other in pairs(ours, theirs):
            other.lora_B["default"].weight[layer.regions["in_proj_x"].rows.stop :] = 0
    copy_from(theirs, ours)
    losses = []
    for model in (ours.train(), theirs.train()):
        torch.manual_seed(3)
        losses.append(model(ids(), labels=ids()).loss)
    torch.testing.assert_close(losses[0], losses[1], **CLOSE)


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_whole_layers_equal_stock_peft_with_dropout(method):
    """q_proj of Jamba's attention: a whole layer, so that DoRA's dropped input is the same in both."""
    torch.manual_seed(0)
    options = {"r": 2, "lora_alpha": 4, "lora_dropout": 0.3, "use_dora": method == "dora"}
    theirs = shake(get_peft_model(build("Jamba"), LoraConfig(target_modules=["q_proj"], **options)), 0.1)
    ours = adapt(build("Jamba"), f"{method}@q_proj,rank=2,alpha=4,dropout=0.3")
    with torch.no_grad():
        for name, delta in ours.named_modules():
            if name.endswith("deltas.default.q_proj"):
                other = theirs.get_base_model().get_submodule(name.removesuffix(".deltas.default.q_proj"))
                delta.lora_A.copy_(other.lora_A["default"].weight)
                delta.lora_B.copy_(other.lora_B["default"].weight)
                if method == "dora":
                    delta.magnitude.copy_(other.lora_magnitude_vector["default"].weight)
    losses, gradients = [], []
    for model in (ours.train(), theirs.train()):
        torch.manual_seed(3)
        losses.append(model(ids(), labels=ids()).loss)
        losses[-1].backward()
        gradients.append([p.grad for name, p in model.named_parameters() if "lora_B" in name])
    torch.testing.assert_close(losses[0], losses[1], **CLOSE)
    for mine, stock_gradient in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, stock_gradient, **CLOSE)
