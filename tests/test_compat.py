"""What is used inside other libraries: what happens where a version of them lacks it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils import _python_dispatch

from ssmpeft_lib.compat import torch as compat


def test_what_torch_lacks_is_named_with_what_then_stops():
    with pytest.warns(
        UserWarning, match=r"torch [\d.+a-z]+: torch\._C\.no_such_name is not what .* lr_search_together"
    ):
        found = compat._find("_C.no_such_name", lambda: False)
    assert found() is False


def test_transforms_and_batches_are_known():
    seen = []

    def op(x):
        seen.append((compat.are_transforms_active(), compat.is_batched(x)))
        return x

    op(torch.ones(2))
    torch.vmap(op)(torch.ones(2, 3))
    assert seen == [(False, False), (True, True)]


@pytest.mark.parametrize("known", [True, False], ids=["by torch", "by the protocol"])
def test_tensors_of_tensors_are_known_with_torchs_own_test_and_without(monkeypatch, known):
    if not known:
        monkeypatch.delattr(_python_dispatch, "is_traceable_wrapper_subclass")

    class Wrapper(torch.Tensor):
        def __tensor_flatten__(self):
            return [], None

        @classmethod
        def __tensor_unflatten__(cls, inner, context, size, stride):
            raise NotImplementedError

    assert compat.is_wrapper_of_tensors(torch.ones(2).as_subclass(Wrapper))
    assert not compat.is_wrapper_of_tensors(nn.Parameter(torch.ones(2)))


def test_edits_are_counted_and_own_members_found():
    x = torch.zeros(2)
    before = compat.edits_of(x)
    assert compat.edits_of(x) == before
    x.add_(1)
    assert compat.edits_of(x) != before
    net = nn.Sequential(nn.Linear(2, 2, bias=False))
    assert compat.own_module(net, "0") is net[0] and compat.own_module(net, "1") is None
    assert compat.own_parameter(net[0], "weight") is net[0].weight and compat.own_parameter(net[0], "bias") is None


def test_onednn_computes_a_linear_layer():
    if not compat.has_onednn_linear():
        pytest.skip("this build of torch has no oneDNN")
    layer, x = nn.Linear(5, 3), torch.randn(4, 5)
    with torch.no_grad():
        torch.testing.assert_close(compat.onednn_linear(x, layer.weight, layer.bias), layer(x))


def test_a_peft_without_its_rule_for_mamba_is_told_and_nothing_is_refused(monkeypatch):
    tuners_utils = pytest.importorskip("peft.tuners.tuners_utils")
    from ssmpeft_lib.compat.peft import is_refused_by_lora

    monkeypatch.delattr(tuners_utils, "_check_lora_target_modules_mamba")
    with pytest.warns(UserWarning, match=r"peft [\d.]+: its check of LoRA on Mamba"):
        assert is_refused_by_lora(nn.Module(), "in_proj") is False


def test_a_type_of_ours_is_not_put_into_another_kind_of_enumeration(monkeypatch):
    peft = pytest.importorskip("peft")
    from ssmpeft_lib.compat.peft import add_type

    monkeypatch.setattr(peft, "PeftType", type("Other", (), {"__members__": {}}))
    with pytest.raises(TypeError, match="peft's enumeration of types cannot take SSMPEFT"):
        add_type("SSMPEFT")


@pytest.mark.parametrize("read", ["recurrent_state", "convolved_inputs", "begin_anew"])
@pytest.mark.parametrize("other", [{}, {"recurrent_states": None, "conv_states": [], "has_previous_state": False}])
def test_a_cache_of_another_form_is_refused_with_what_was_tried(read, other):
    from ssmpeft_lib.compat import transformers

    with pytest.raises(TypeError, match=r"cache \(SimpleNamespace\) has no .*transformers.*>="):
        getattr(transformers, read)(SimpleNamespace(**other))
