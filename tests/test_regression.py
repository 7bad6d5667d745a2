"""Figures 1 and 2 as cells: what a seed draws, what is trained, and that several learning rates are trained as one."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.adapters.count import params
from ssmpeft_lib.compare.regression_runs import methods, read_runs, recorded
from ssmpeft_lib.models.s4 import draw
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.method_string import MethodString
from ssmpeft_lib.runs import regression
from ssmpeft_lib.runs.many_rates import train_side_by_side
from ssmpeft_lib.runs.open import adapt_run, open_run
from ssmpeft_lib.runs.run import Run

torch.set_num_threads(1)

DATASETS = ("synthetic-regression", "synthetic-regression-once")
LORA = "lora@output_linear,rank=4,alpha=4,also=periphery"
SMALL = "rule=paper,freeze_channels=0,freeze_states=0,zero_channels=0.875,zero_states=0.75,also=periphery"
SDT = f"sdt@output_linear,{SMALL}"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for scale in ("quick", "paper"):
        for dataset in DATASETS:
            output = folder / scale / "data" / "none" / f"{dataset}.json"
            assert main(["prepare-data", scale, dataset, "--output", str(output)]) == 0
    return folder


def opened(results, method, dataset=DATASETS[0], seed=0, scale="quick", **overrides) -> Run:
    overrides = {"steps": 4, "selection_steps": 2} | overrides
    run = open_run(Cell(scale, "s4-regression", method, dataset, seed), results, overrides)
    adapt_run(run)
    return run


def test_a_seed_decides_the_model_and_its_target():
    (model, target), again, other = draw("s4-regression", 3), draw("s4-regression", 3), draw("s4-regression", 4)
    for first, same, different in zip((model, target), again, other, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), same.parameters(), strict=True))
        assert not torch.equal(first.layers[0].D, different.layers[0].D)
    assert (len(model.layers), len(target.layers)) == (4, 1)
    assert (model.layers[0].kernel.config.d_state, target.layers[0].kernel.config.d_state) == (16, 8)


def test_every_step_has_a_new_sequence_and_a_seed_decides_which(results):
    def first_losses(dataset, seed, first_step=0, count=3):
        run = opened(results, LORA, dataset, seed)
        steps = run.problem.losses(seed, first_step)
        with torch.no_grad():
            return [next(steps)().item() for _ in range(count)]

    new = first_losses(DATASETS[0], 0)
    assert len(set(new)) == 3 and new == first_losses(DATASETS[0], 0)
    assert new[1:] == first_losses(DATASETS[0], 0, first_step=1, count=2)
    assert len(set(first_losses(DATASETS[1], 0))) == 1


def test_scores_are_those_of_the_numbers(results):
    """Answers go through text, which keeps five digits."""
    run = opened(results, LORA, eval_examples=3)
    found = run.score("test")
    x = run.problem._inputs("test", range(3))
    with torch.no_grad():
        wanted = run.problem.target(x)
        error = (run.model(x) - wanted).square().mean().item()
    assert found["mse"] == pytest.approx(error, rel=1e-3)
    assert found["r2"] == found["score"] == pytest.approx(100 * (1 - error / wanted.var(correction=0).item()), abs=0.05)


@pytest.mark.parametrize("rates", [(5e-2, 1e-3), (1e-2, 5e-3)])
@pytest.mark.parametrize("method", [LORA, SDT, "full"])
def test_rates_side_by_side_are_torch_adamw_on_each_alone(results, method, rates):
    run = opened(results, method, selection_steps=2)
    versions = train_side_by_side(run, rates, [None, None])
    for rate, version in zip(rates, versions, strict=True):
        alone = opened(results, method)
        for name, value in version.fixed.items():
            alone.fixed[name].copy_(value)
        optimizer = torch.optim.AdamW(alone.trained.values(), lr=rate)
        steps = alone.problem.losses(alone.cell.seed)
        for noted in version.losses:
            loss = next(steps)()
            assert noted == pytest.approx(loss.item(), rel=2e-4)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def test_the_warm_up_has_one_rate_for_all(results):
    chosen = [version.fixed for version in train_side_by_side(opened(results, SDT), (5e-2, 1e-3), [None, None])]
    assert chosen[0] and all(torch.equal(chosen[0][name], chosen[1][name]) for name in chosen[0])


def test_the_best_rate_is_kept(results, tmp_path):
    run = opened(results, SDT, steps=6)
    run.train(tmp_path)
    scores = {entry["learning_rate"]: entry["score"] for entry in run.search["rates"]}
    assert list(scores) == [5e-2, 1e-2, 5e-3, 1e-3]
    assert run.recipe.learning_rate == run.search["learning_rate"] == max(scores, key=scores.get)
    assert run.validation_score() == pytest.approx(max(scores.values()))
    assert run.progress.step == 6 and run.progress.history[-1]["val_score"] == max(scores.values())
    assert run.selection.keys() == {f"layers.{i}.log_A_real" for i in range(4)}
    run.score("test")
    metrics = json.loads(run.save(tmp_path).read_text(encoding="utf-8"))
    assert metrics["status"] == "ok" and metrics["cost"]["trainable"] == 3328
    assert metrics["cost"]["train_seconds"] > 0 and metrics["cost"]["peak_memory_gb"] >= 0


def test_a_rate_of_ones_own_is_the_only_one(results):
    run = opened(results, LORA, learning_rate=1e-2)
    run.train()
    assert not run.search and run.recipe.learning_rate == 1e-2


def test_only_the_chosen_dimensions_move(results):
    run = opened(results, SDT)
    frozen = copy.deepcopy(draw("s4-regression", 0)[0])
    run.train()
    kernel = run.model.layers[1].kernel
    moved = kernel.log_A_real != frozen.layers[1].kernel.log_A_real
    assert torch.equal(moved, run.selection["layers.1.log_A_real"].trained) and moved.sum() == 8 * 4
    assert (kernel.C != 0).any(-1).sum() == 8 * 4


def test_the_frozen_model_of_the_figures_trains_its_residual_alone(results):
    trained = opened(results, "full@D").trained
    assert len(trained) == 4 and all(parameter.shape == (64,) for parameter in trained.values())


@pytest.mark.parametrize("name", ["one_sequence", "fresh_sequences"])
def test_recorded_runs_trained_what_the_methods_train(name):
    """Counted by hand, too: D, bias and step sizes 64 each; an S4 entry counts 4, C being complex."""
    D, H = 64, 16
    for run in {run["method"]: run for rule in ("paper", "upstream") for run in recorded(name, rule)}.values():
        counted, options = params("s4-regression", run["method"]), MethodString.parse(run["method"]).options
        assert (counted["trainable"], counted["trainable_pct"]) == (run["trained"], pytest.approx(run["share"], 1e-4))
        rank, rank_ssm = options.get("rank", 8), options.get("rank_ssm", options.get("rank", 8))
        channels, states = (
            size * (1 - options.get(f"zero_{what}", 0)) for what, size in (("channels", D), ("states", H))
        )
        by_hand = {
            "Frozen": D,
            "LoRA (Proj)": 2 * D + rank * 2 * D,
            "LoRA (S4+Proj)": 3 * D + rank * 2 * D,
            "LoRA on S4": 3 * D + rank * 2 * D + 4 * rank_ssm * (D + H),
            "SDLoRA": 3 * D + rank * 2 * D + 4 * channels * states,
            "SDT": 3 * D + channels * D + 4 * channels * states,
            "Full": 3 * D + D * D + 4 * D * H,
        }
        assert run["trained"] == 4 * by_hand[run["label"]], run["method"]


def test_records_hold_every_rate(results, monkeypatch):
    monkeypatch.setattr(
        regression, "open_run", lambda cell, folder: open_run(cell, folder, {"steps": 3, "eval_examples": 2})
    )
    records = list(regression.run_at_every_rate(Cell("paper", "s4-regression", LORA, DATASETS[0], 0), results))
    assert [record["learning_rate"] for record in records] == [5e-2, 1e-2, 5e-3, 1e-3]
    assert len({record["first_error"] for record in records}) == 1
    assert all(record["error"] <= record["first_error"] for record in records)
    assert records[0]["share"] == pytest.approx(100 * 4 * (128 + 512) / 33536)


@pytest.fixture
def counted(monkeypatch):
    """Runs that cost nothing, and what was asked for."""
    asked = []

    def one(cell, results):
        asked.append((cell.method, cell.seed))
        yield {"method": cell.method, "seed": cell.seed, "share": 1.0, "error": float("inf")}

    monkeypatch.setattr(regression, "run_at_every_rate", one)
    return asked


def test_a_file_is_continued(tmp_path, counted):
    path = tmp_path / "runs.csv"
    regression.run_to_file(path, DATASETS[0], ["full"], range(2), tmp_path)
    regression.run_to_file(path, DATASETS[0], ["full", SDT], range(2), tmp_path)
    assert counted == [(method, seed) for method in ("full", SDT) for seed in range(2)]
    runs = read_runs(path)
    assert [run["method"] for run in runs] == ["full", "full", SDT, SDT]
    assert all(run["error"] == float("inf") for run in runs)


def test_runs_of_another_setting_are_not_mixed(tmp_path, counted):
    path = tmp_path / "runs.csv"
    regression.run_to_file(path, DATASETS[0], ["full"], range(2), tmp_path)
    for dataset, seeds in ((DATASETS[0], range(3)), (DATASETS[1], range(2))):
        with pytest.raises(ValueError, match="choose another file"):
            regression.run_to_file(path, dataset, ["full"], seeds, tmp_path)


def test_the_rows_of_the_figures_are_run_and_the_other_rule_where_one_chooses():
    rows, other = methods("paper"), methods("upstream")
    assert {MethodString.parse(method).name for method in rows} == {"full", "lora", "sdlora", "sdt"}
    assert {method.replace("rule=upstream", "rule=paper") for method in other} < set(rows)
