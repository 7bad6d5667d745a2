"""SDT: what the warm-up trains, what it leaves behind, and what is chosen from it."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from families import MAIN, build, ids, logits
from peft import get_peft_model
from torch import nn

from ssmpeft_lib import SSMPeftConfig, adapt, begin_warmup, initialize_sdt_weights, select
from ssmpeft_lib.adapters.api import adaptation_of, base_model
from ssmpeft_lib.adapters.selection.budget import Budget
from ssmpeft_lib.adapters.selection.budget import select as spend
from ssmpeft_lib.adapters.sparse import Sparse
from ssmpeft_lib.methods.sdt import select_dimensions
from ssmpeft_lib.mixers.s4d import S4DKernel
from ssmpeft_lib.models.s4 import build as build_s4
from ssmpeft_lib.theory.selection import SLIPS
from ssmpeft_lib.theory.selection import Budget as S4Budget
from ssmpeft_lib.theory.selection import select_dimensions as select_s4

SHARES = "freeze_channels=0.9,freeze_states=0.5"
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
BATCHES = [{"input_ids": ids(), "labels": ids()}]


def sparse(model: nn.Module) -> dict[str, Sparse]:
    return {name: module for name, module in model.named_modules() if isinstance(module, Sparse)}


def values(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def steps(model: nn.Module, parameters: list[nn.Parameter], count: int = 3, learning_rate: float = 0.05) -> None:
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate)
    for _ in range(count):
        model(ids(), labels=ids()).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("family", MAIN)
@pytest.mark.parametrize("rule", ["upstream", "paper"])
@pytest.mark.parametrize("through_peft", [False, True], ids=["alone", "peft"])
def test_warmup_is_undone_and_its_change_decides(family, rule, through_peft):
    method = f"sdlora,{SHARES},rank=2,rule={rule}"
    model = build(family)
    model = get_peft_model(model, SSMPeftConfig(method=method)) if through_peft else adapt(model, method)
    torch.manual_seed(0)
    before, structure, output = values(model), str(model), logits(model, ids())
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    warmup = begin_warmup(model)
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    steps(model, warmup.parameters)
    assert (logits(model, ids()) - output).abs().max() > 1e-4
    found = adaptation_of(model)
    wanted = {}
    for choice in found.method.choices(found.backbone(base_model(model))):
        slot = choice.deciding[0]
        change = warmup.change(slot) if slot.channel_axis == 0 else warmup.change(slot).t()
        wanted[choice.name] = select_dimensions(change, 0.9, 0.5)
    chosen = select(model, warmup)
    assert {name: selection.trained.tolist() for name, selection in chosen.items()} == {
        name: mask.tolist() for name, mask in wanted.items()
    }
    assert str(model) == structure
    assert {name for name, p in model.named_parameters() if p.requires_grad} == trainable
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert not any(module.is_placeholder for module in sparse(model).values())
    in_warmup = {name.partition(".warmup.")[2].partition(".")[0] for name in names if ".warmup." in name}
    maps = {"in_proj_B", "in_proj_C"} if family == "Mamba2" else {"A_log"}
    assert in_warmup == maps if rule == "upstream" else in_warmup > maps | {"D", "conv1d"}
    assert any("lora_B" in name for name in names) == (rule == "upstream")


@pytest.mark.parametrize("rule, rows", [("upstream", 8), ("paper", 4)])
def test_rows_of_the_maps(rule, rows):
    """W_B: whole columns of the chosen channels in the released code, only the chosen states' rows in the paper."""
    model = adapt(build("Mamba"), f"sdlora,{SHARES},rule={rule}")
    mixer = model.backbone.layers[0].mixer
    A_log = mixer.A_log_adapter.deltas["default"]["A_log"]
    B = mixer.x_proj.deltas["default"]["x_proj_B"]
    entries_A, entries_B = torch.zeros(64 * 8), torch.zeros(8 * 64)
    entries_A[A_log.indices], entries_B[B.indices] = 1, 1
    entries_A, entries_B = entries_A.view(64, 8), entries_B.view(8, 64).t()
    assert entries_A.sum() == 6 * 4 and entries_B.sum() == 6 * rows
    assert torch.equal(entries_A.any(1), entries_B.any(1))
    assert rule == "upstream" or torch.equal(entries_A, entries_B)


def test_only_chosen_entries_move():
    model = adapt(build("Mamba"), f"sdt,{SHARES}")
    before = {slot.path: slot.effective.detach().clone() for slot in slots(model)}
    initialize_sdt_weights(model, BATCHES, steps=2)
    steps(model, [p for p in model.parameters() if p.requires_grad])
    for slot in slots(model):
        moved = (slot.effective != before[slot.path]).view(slot.weight.shape)
        allowed = torch.zeros(slot.weight.numel(), dtype=torch.bool)
        region = slot.region.of(torch.arange(slot.weight.numel()).view(slot.weight.shape)).flatten()
        for name, delta in slot.adapted().deltas["default"].items():
            if name == slot.name:
                allowed[region[delta.indices]] = True
        inside = slot.region.of(moved)
        assert torch.equal(inside, slot.region.of(allowed.view(slot.weight.shape))), slot.path


def slots(model: nn.Module) -> list:
    found = adaptation_of(model)
    return [slot for choice in found.method.choices(found.backbone(model)) for slot in choice.slots]


def test_initialize_is_the_loop_of_ones_own():
    ours, theirs = (adapt(build("Mamba"), f"sdlora,{SHARES},dropout=0") for _ in range(2))
    for name, p in ours.named_parameters():
        theirs.get_parameter(name).data.copy_(p.data)
    warmup = begin_warmup(theirs)
    optimizer = torch.optim.AdamW(warmup.parameters, lr=0.01, weight_decay=0)
    for step in range(3):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / 3)
        theirs(ids(), labels=ids()).loss.backward()
        nn.utils.clip_grad_norm_(warmup.parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    expected = select(theirs, warmup)
    chosen = initialize_sdt_weights(ours, BATCHES, steps=3, learning_rate=0.01)
    assert chosen.keys() == expected.keys()
    assert all(torch.equal(chosen[name].trained, expected[name].trained) for name in chosen)


def test_warmup_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="selects nothing"):
        initialize_sdt_weights(adapt(build("Mamba"), "lora"), BATCHES)
    assert begin_warmup(adapt(build("Mamba"), "lora")) is None
    with pytest.raises(ValueError, match="is not adapted"):
        begin_warmup(build("Mamba"))
    model = adapt(build("Mamba"), f"sdlora,{SHARES}")
    before, structure = values(model), str(model)
    with pytest.raises(ValueError, match="no batch"):
        initialize_sdt_weights(model, [])
    assert str(model) == structure and all(torch.equal(p, before[name]) for name, p in model.named_parameters())


@pytest.mark.parametrize(
    "batch, steps, says",
    [
        ({"input_ids": ids()}, 1, "no loss for a batch of input_ids; add labels"),
        (BATCHES[0] | {"text": ["a", "b"]}, 1, "'text' of a batch is a list, not a tensor; leave the column out"),
        ((ids(), ids()), 1, "a batch is a tuple; give the model's arguments"),
        (BATCHES[0], 0, "steps=0 must be at least 1"),
    ],
)
def test_what_the_warmup_cannot_train_on_is_refused_and_leaves_the_model_alone(batch, steps, says):
    model = adapt(build("Mamba"), f"sdlora,{SHARES}")
    before, structure = values(model), str(model)
    with pytest.raises(ValueError) as caught:
        initialize_sdt_weights(model, [batch], steps=steps)
    assert says in str(caught.value)
    assert str(model) == structure and all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_a_second_warmup_is_refused_while_one_is_under_way():
    model = adapt(build("Mamba"), f"sdlora,{SHARES}")
    warmup = begin_warmup(model)
    with pytest.raises(ValueError, match="under way; end it with ssmpeft_lib.select"):
        begin_warmup(model)
    warmup.undo()
    select(model, begin_warmup(model))


def test_of_several_adapters_the_active_one_is_warmed_up():
    model = get_peft_model(build("Mamba"), SSMPeftConfig(method="lora@in_proj_x"))
    model.add_adapter("b", SSMPeftConfig(method=f"sdlora,{SHARES}"))
    with pytest.raises(ValueError, match="selects nothing"):
        initialize_sdt_weights(model, BATCHES, steps=1)
    model.set_adapter("b")
    assert initialize_sdt_weights(model, BATCHES, steps=1)
    model.base_model.set_adapter(["default", "b"])
    with pytest.raises(ValueError, match="2 adapters of this model are active .b, default.; name one of b, default"):
        initialize_sdt_weights(model, BATCHES, steps=1)
    assert initialize_sdt_weights(model, BATCHES, steps=1, adapter="b")


def test_training_without_a_selection_warns_once_and_loading_ends_it(tmp_path):
    from ssmpeft_lib import load, save

    model = adapt(build("Mamba"), f"sdlora,{SHARES}").train()
    save(model, tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model(ids())
        copy.deepcopy(model)(ids())
    assert ["no warm-up has selected" in str(warning.message) for warning in caught] == [True]
    loaded = load(build("Mamba"), tmp_path).train()
    assert not any(module.is_placeholder for module in sparse(loaded).values())


@pytest.mark.filterwarnings("error:training entries that no warm-up")
def test_choosing_in_training_mode_warns_of_nothing():
    model = adapt(build("Mamba"), f"sdlora,{SHARES}").train()
    initialize_sdt_weights(model, BATCHES, steps=1)
    model(ids())


@pytest.mark.parametrize("zeroing, silent", [("zero_channels=0.25", 2), ("zero_channels=0.25,zero_states=0.25", 2)])
def test_silenced_channels_of_s6(zeroing, silent):
    """A_log becomes 10, so that A_bar is 0; before the warm-up has chosen, nothing is silenced."""
    torch.manual_seed(0)
    model = adapt(build("Mamba"), f"sdlora,freeze_channels=0.5,freeze_states=0.5,{zeroing}")
    torch.testing.assert_close(logits(model, ids()), logits(build("Mamba"), ids()), **CLOSE)
    chosen = initialize_sdt_weights(model, BATCHES, steps=2)
    for layer, selection in zip(model.backbone.layers, chosen.values(), strict=True):
        tens = (layer.mixer.A_log - 10).abs() < 1e-5
        assert torch.equal(tens.all(1).nonzero().flatten(), selection.silent_channels.sort().values)
        # the released code takes zero_states off the budget, but silences whole channels only
        assert torch.equal(tens, tens.all(1, keepdim=True).expand_as(tens)) and tens.all(1).sum() == 16


@pytest.fixture
def s4():
    torch.manual_seed(0)
    return build_s4(n_layers=2, d_model=16, d_state=6, init="random", d_input=1, d_output=3)


@pytest.mark.parametrize("rule", ["upstream", "paper"])
def test_deep_s4_chooses_and_silences_as_algorithm_1(s4, rule):
    method = f"sdlora@output_linear,freeze_channels=4,freeze_states=3,zero_channels=8,zero_states=1,rule={rule}"
    model = adapt(copy.deepcopy(s4), method)
    x, target = torch.randn(4, 9, 1), torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        torch.testing.assert_close(model(x), s4(x), **CLOSE)
    warmup = begin_warmup(model)
    optimizer = torch.optim.AdamW(warmup.parameters, lr=0.05)
    for _ in range(3):
        nn.functional.cross_entropy(model(x), target).backward()
        optimizer.step()
        optimizer.zero_grad()
    warmed = [effective_kernel(layer.kernel) for layer in model.layers]
    chosen = list(select(model, warmup).values())
    slips, importance = (SLIPS, "kernel") if rule == "upstream" else ((), "transition")
    for layer, kernel, selection, frozen in zip(model.layers, warmed, chosen, s4.layers, strict=True):
        expected = select_s4(frozen.kernel, kernel, S4Budget(8, 5, 4, 2), importance, slips=slips)
        assert selection.channels.tolist() == expected.update_channels
        assert selection.states.tolist() == [expected.update_states[c] for c in expected.update_channels]
        silenced = (layer.kernel.C == 0).all(-1)
        if rule == "upstream":
            assert torch.equal(silenced, expected.silenced((16, 6)))
        else:
            # the paper silences states of every channel that is kept
            assert silenced.sum() == 8 * 6 + 8 and (silenced >= expected.silenced((16, 6))).all()
        assert not (silenced & expected.trained((16, 6))).any()
    trained = sum(p.numel() for name, p in model.named_parameters() if p.requires_grad and "layers.0" in name)
    # four channels of two states in log_A_real, A_imag and C (complex), the step sizes, and LoRA of rank 8
    assert trained == 4 * 2 * (1 + 1 + 2) + 16 + 8 * (16 + 16)


def effective_kernel(kernel: S4DKernel) -> S4DKernel:
    """A plain kernel with the values that an adapted one computes with."""
    plain = S4DKernel(kernel.config)
    with torch.no_grad():
        for name in ("C", "log_A_real", "A_imag", "log_dt"):
            getattr(plain, name).copy_(getattr(kernel, name))
    return plain


def test_ties_go_to_the_first():
    chosen = spend(torch.ones(4, 4), Budget.of((4, 4), 2, 2))
    assert chosen.channels.tolist() == [0, 1] and chosen.states.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    "total, freeze, left", [(16, 0.75, 4), (16, 0.9, 2), (16, 0.95, 1), (1536, 0.99, 15), (4096, 0.99, 41), (5, 0.5, 3)]
)
def test_counts_round_as_the_released_code(total, freeze, left):
    """Python's round takes halves to the even neighbour."""
    assert Budget.of((total, total), freeze, freeze).channels == left


@pytest.mark.parametrize("shares", [(1.0, 0.5), (-0.1, 0.5), (0.5, 0.99), (0.99, 0.5), (0.5, 16), (-1, 0.5)])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(ValueError, match="freeze_(channels|states)="):
        select_dimensions(torch.randn(32, 16), *shares)
