"""The synthetic regression: training side by side is training alone, the shortcuts are exact, the counts are right."""

from __future__ import annotations

import copy

import pytest
import torch

from ssmpeft_lib.adapters.api import adapt, count
from ssmpeft_lib.mixers.s4d import S4DKernel
from ssmpeft_lib.theory import arms, regression
from ssmpeft_lib.theory.arms import Arm
from ssmpeft_lib.theory.parametrised import FixedKernel, PrunedKernel
from ssmpeft_lib.theory.regression import DRAWN, PRINTED_GRID
from ssmpeft_lib.theory.side_by_side import SideBySide

pytestmark = pytest.mark.slow

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def problem():
    return regression.draw(0, fresh=2)


@pytest.fixture(scope="module")
def warmed(problem):
    return regression.warm_up([problem], 1e-2)[0]


def equipped(problem, warmed, arm, seed=0):
    chosen = arms.select(problem.frozen, warmed, arm) if arm.channels else None
    return arms.equip(problem.frozen, arm, chosen, seed)


@pytest.mark.parametrize("arm", [Arm("full"), Arm("lora_s4_proj", rank=4, s4_rank=2), Arm("sdt", channels=8, states=4)])
def test_side_by_side_is_torch_adamw_on_each_alone(problem, warmed, arm):
    models = [equipped(problem, warmed, arm, seed) for seed in (0, 1)]
    rates = torch.tensor([1e-2, 1e-3])
    x, y = (part[:, :40].expand(2, 1, -1, -1) for part in (problem.x, problem.y))
    batches = [(x, y)] * 4
    if arm.method != "full":
        assert sum(p.requires_grad for p in models[0].parameters()) < len(list(models[0].parameters()))
    history = SideBySide(models).train(batches, rates)
    for index, model in enumerate(models):
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=float(rates[index]))
        for step in range(4):
            error = (model(x[0]) - y[0]).square().mean()
            torch.testing.assert_close(history[step, index], error.detach(), rtol=2e-4, atol=1e-5)
            optimizer.zero_grad()
            error.backward()
            optimizer.step()


@pytest.mark.parametrize(
    "arm, kernel",
    [
        (Arm("lora_proj", rank=4), FixedKernel),
        (Arm("sdt", channels=8, states=4), PrunedKernel),
        (Arm("sdt", channels=8, states=4, kept_channels=64, kept_states=16), S4DKernel),
        (Arm("full"), S4DKernel),
    ],
)
def test_shortcuts_leave_the_outputs_as_they_are(problem, warmed, arm, kernel):
    plain = equipped(problem, warmed, arm)
    short = arms.take_shortcuts(copy.deepcopy(plain), regression.SEQ_LEN)
    assert all(isinstance(layer.kernel, kernel) for layer in short.layers)
    torch.testing.assert_close(short(problem.x), plain(problem.x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("arm", PRINTED_GRID[:9] + PRINTED_GRID[-5:] + DRAWN, ids=str)
def test_trained_parameters_a_layer(problem, warmed, arm):
    """By hand: D, bias and step sizes 64 each; an S4 entry counts 4 (C is complex); LoRA rank (rows + columns)."""
    D, H = 64, 16
    count = {
        "frozen": D,
        "lora_proj": 2 * D + arm.rank * 2 * D,
        "lora_s4_proj": 3 * D + arm.rank * 2 * D + 4 * arm.s4_rank * (D + H),
        "sdlora": 3 * D + arm.rank * 2 * D + 4 * arm.channels * arm.states,
        "sdt": 3 * D + arm.channels * D + 4 * arm.channels * arm.states,
        "full": 3 * D + D * D + 4 * D * H,
    }[arm.method]
    model = equipped(problem, warmed, arm)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 4 * count


def test_the_frozen_model_of_the_figures_trains_its_residual_alone(problem, warmed):
    model = equipped(problem, warmed, Arm("frozen"))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {f"layers.{i}.D" for i in range(4)}


def test_only_the_chosen_dimensions_move(problem, warmed):
    arm = Arm("sdt", channels=8, states=4)
    chosen = arms.select(problem.frozen, warmed, arm)
    side = SideBySide([arms.equip(problem.frozen, arm, chosen, 0)])
    side.train([(problem.x[None], problem.y[None])] * 2, torch.tensor([1e-2]))
    trained = chosen[1].trained((64, 16))
    delta = side.parameters["layers.1.kernel.parametrizations.log_A_real.0.delta"]
    assert delta.numel() == trained.sum() == 8 * 4 and delta.abs().min() > 0
    base = side.parameters["layers.1.kernel.parametrizations.log_A_real.original"][0]
    assert torch.equal(base, problem.frozen.layers[1].kernel.log_A_real)


def test_records_of_a_short_run():
    records = list(regression.run_grid([0], [Arm("lora_proj", rank=4)], steps=3))
    assert [r["learning_rate"] for r in records] == list(regression.LEARNING_RATES)
    assert len({r["first_error"] for r in records}) == 1
    assert all(r["error"] <= r["first_error"] for r in records)
    assert records[0]["share"] == pytest.approx(100 * 4 * (128 + 512) / 33536)


def test_same_seed_same_records():
    first, second = (list(regression.run_grid([3], [Arm("sdt", channels=8, states=4)], steps=2)) for _ in range(2))
    assert first == second


def test_resampled_data_are_new_in_every_iteration_and_the_same_for_a_seed():
    data = regression.Data(sequences=2, resample=True)
    first, second = (list(regression.draw(1, data, fresh=1).batches(3)) for _ in range(2))
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(first, second, strict=True))
    assert first[0][0].shape == (2, 200, 64) and not torch.equal(first[0][0], first[1][0])
    records = list(regression.run_grid([1], [Arm("sdt", channels=8, states=4)], data, steps=2))
    assert all(record["resample"] and record["sequences"] == 2 for record in records)


def test_unknown_method_is_named(problem):
    with pytest.raises(ValueError, match="method 'lroa' is not one of frozen, full, lora_proj"):
        arms.equip(problem.frozen, Arm("lroa"), None, 0)


@pytest.mark.parametrize(
    "arm, method",
    [
        (Arm("lora_proj", rank=4), "lora,rank=4,also=D.output_linear_bias"),
        (Arm("lora_dt_proj", rank=4), "lora,rank=4,also=D.output_linear_bias.log_dt"),
        (
            Arm("sdlora", rank=4, channels=8, states=4),
            "sdlora,rank=4,rule=paper,freeze_channels=0,freeze_states=0,zero_channels=56,zero_states=12,also=D.output_linear_bias",
        ),
        (
            Arm("sdt", channels=8, states=4),
            "sdt,rule=paper,freeze_channels=0,freeze_states=0,zero_channels=56,zero_states=12,also=D.output_linear_bias",
        ),
    ],
    ids=lambda value: value.method if isinstance(value, Arm) else "",
)
def test_arms_train_what_the_library_methods_train(problem, warmed, arm, method):
    trained = sum(p.numel() for p in equipped(problem, warmed, arm).parameters() if p.requires_grad)
    assert count(adapt(copy.deepcopy(problem.frozen), method))["trainable"] == trained
