"""The learning-rate search: which processes are planned, what is chosen, and that rates side by side end as alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
import yaml
from reference import REPOSITORY

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.adapters.deltas import LowRank
from ssmpeft_lib.book.pieces import search as piece
from ssmpeft_lib.plan import search as plan
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.snakemake.workflow import Workflow
from ssmpeft_lib.runs import notebook_report as report
from ssmpeft_lib.runs.many_rates import train_side_by_side
from ssmpeft_lib.runs.open import adapt_run, open_run
from ssmpeft_lib.runs.rate_search import Search
from ssmpeft_lib.training.loop import Watch

SMALL = {"train_examples": 96, "eval_examples": 16, "batch_size": 8, "max_new_tokens": 4, "selection_steps": 4}
RATES = (3e-2, 1e-3, 2e-4)


def target(method="lora@linear", model="mamba-130m", dataset="glue-sst2") -> Cell:
    return Cell("quick", model, method, dataset, 0)


def opened(results, cell, rate, **overrides):
    run = open_run(cell, results, SMALL | overrides, trying=rate)
    adapt_run(run)
    return run


def test_the_grid_is_the_papers():
    rates = [plan.parse_rates(name)[0] for name in plan.GRID]
    assert len(rates) == 15 and rates[0] == 0.4 and rates[-1] == 1e-5 and rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("together, count", [(1, 15), (4, 4), (15, 1)])
def test_every_rate_is_in_one_process(together, count):
    processes = plan.processes(together)
    assert len(processes) == count and "+".join(processes) == "+".join(plan.GRID)
    assert all(re.fullmatch(plan.RATES_PATTERN, process) for process in processes)


def test_where_nothing_is_to_be_found_nothing_is_searched():
    assert plan.searched(target(), {"epochs": 2})
    assert not plan.searched(target(), {"learning_rate": 1e-3})
    assert not plan.searched(target("pretrained"), {})
    assert not plan.searched(target(dataset="random-tokens"), {})


def entry(rate, score=None, status="ok"):
    return {"learning_rate": rate, "status": status} | ({"message": "why"} if score is None else {"score": score})


@pytest.mark.parametrize(
    "entries, chosen, why",
    [
        ([entry(0.4, status="diverged"), entry(0.1, 50.0), entry(0.01, 70.0)], 0.01, ""),
        ([entry(0.1, 70.0), entry(0.01, 70.0)], 0.01, ""),
        ([entry(0.4, status="diverged"), entry(0.1, status="diverged")], None, "all 2 rates diverged, down to 0.1"),
        ([entry(0.4, status="failed"), entry(0.1, 70.0)], None, "1 of 2 rates failed, first 0.4: why"),
    ],
)
def test_the_best_validation_score_is_chosen(entries, chosen, why):
    assert plan.choose(entries) == (chosen, why)


def test_a_loss_that_ran_away_is_told_from_one_that_is_high():
    watch = Watch(uniform=7.0, steps=4)
    assert not any(watch.ran_away(loss) for loss in [2.0, 9.0, 6.0, 6.0, 6.0, 6.0, 6.9, 6.9])
    assert [watch.ran_away(loss) for loss in [20.0, 20.0]] == [True, True]
    # a model that knows nothing of the task may start above a uniform guess
    untouched = Watch(uniform=7.0, steps=4)
    assert not any(untouched.ran_away(loss) for loss in [11.0] * 8)


METHODS = [
    *("lora@linear", "lora@x_proj,dropout=0.0", "dora@out_proj", "lora_plus", "bitfit", "initial_state"),
    *("prompt,tokens=4", "prefix,tokens=2", "full", "full@A_log", "sdt,freeze_channels=0.5,freeze_states=0.5"),
    *("sdlora,freeze_channels=0.5,freeze_states=0.5", "sdlora,freeze_channels=0.5,freeze_states=0.5,rule=paper"),
]
OF_MAMBA2 = ["lora@linear", "bitfit", "full@A_log", "initial_state", "sdlora,freeze_channels=0.5,freeze_states=0.5"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "model, method", [*(("mamba-130m", method) for method in METHODS), *(("mamba2-130m", m) for m in OF_MAMBA2)]
)
def test_rates_side_by_side_end_as_each_alone(results, model, method):
    cell = target(method, model)
    alone = []
    for rate in RATES:
        run = opened(results, cell, rate)
        run.train()
        alone.append(run)
    shared = opened(results, cell, RATES[0])
    versions = train_side_by_side(shared, RATES, [None] * len(RATES))
    for run, version in zip(alone, versions, strict=True):
        assert sum(version.losses) / len(version.losses) == pytest.approx(
            run.progress.history[-1]["train_loss"], abs=2e-4
        )
        version.put_into(shared)
        for name, fixed in run.fixed.items():
            assert torch.equal(fixed, shared.fixed[name]), name
        for name, parameter in run.trained.items():
            torch.testing.assert_close(shared.trained[name], parameter, rtol=1e-3, atol=1e-4, msg=name)
    assert not torch.equal(*(next(iter(run.trained.values())) for run in alone[:2]))


def test_text_is_learned_side_by_side(results):
    cell = target("bitfit", dataset="dart")
    side_by_side = Search(cell, results, SMALL).side_by_side(RATES)
    for together, alone in zip(side_by_side, Search(cell, results, SMALL).one_by_one(RATES), strict=True):
        assert together["score"] == alone["score"]
        assert together["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-4)


def test_mixed_precision_side_by_side_is_as_near_as_it_is_to_itself(results):
    cell = target()
    entries = Search(cell, results, SMALL | {"precision": "bf16"}).side_by_side(RATES)
    alone = Search(cell, results, SMALL | {"precision": "bf16"}).one_by_one(RATES)
    for together, single in zip(entries, alone, strict=True):
        assert together["train_loss"] == pytest.approx(single["train_loss"], rel=2e-2)


def test_a_rate_that_diverges_leaves_the_others_alone(results):
    cell, rates = target("full"), (1e30, 1e-3)
    search = Search(cell, results, SMALL)
    diverged, fine = search.side_by_side(rates)
    alone = [search.one_by_one([rate])[0] for rate in rates]
    assert diverged["status"] == alone[0]["status"] == "diverged" and diverged["steps"] == alone[0]["steps"] < 12
    assert fine["status"] == "ok" and fine["train_loss"] == pytest.approx(alone[1]["train_loss"], rel=1e-4)


def test_what_cannot_be_done_side_by_side_is_done_one_by_one_and_said(results, monkeypatch, caplog):
    factors = LowRank.factors

    def with_a_number(self, x):
        x.sum().item()
        return factors(self, x)

    monkeypatch.setattr(LowRank, "factors", with_a_number)
    search = Search(target(), results, SMALL)
    entries = search.side_by_side(RATES)
    assert [entry["status"] for entry in entries] == ["ok"] * 3
    assert search.note.startswith("trained one by one: vmap: ") and search.note in caplog.text


def test_rates_that_do_not_fit_side_by_side_are_trained_one_by_one(results, monkeypatch):
    def too_much(run, rates, watches):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("ssmpeft_lib.runs.rate_search.train_side_by_side", too_much)
    search = Search(target(), results, SMALL)
    assert len(search.side_by_side(RATES)) == 3 and search.note == "trained one by one: CUDA out of memory"


def test_a_failed_rate_is_written_down_and_can_be_forgotten(results, tmp_path, capsys):
    folder = tmp_path / "quick/search/mamba-130m/bitfit/glue-sst2"
    tried, chosen = folder / "rates/1e-3.json", folder / "learning_rate.json"
    words = ["search-rates", "quick/mamba-130m/bitfit/glue-sst2", "1e-3", "--results", str(results)]
    assert main([*words, "--overrides", '{"batch_size": 100000}', "--output", str(tried)]) == 0
    assert main(["choose-rate", str(tried), "--output", str(chosen)]) == 0
    found = json.loads(chosen.read_text(encoding="utf-8"))
    assert found["learning_rate"] is None and "do not fill a batch of 100000" in found["why"]
    with pytest.raises(ValueError, match=r"learning_rate.json: the search found no learning rate: 1 of 1 rates failed"):
        open_run(target("bitfit"), results, SMALL, learning_rate=chosen)
    main(["forget-failed", "--results", str(tmp_path)])
    assert not tried.exists() and "forgot" in capsys.readouterr().out


def test_a_rate_that_is_no_rate_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["search-rates", "quick/mamba-130m/bitfit/glue-sst2", "-1", "--output", "x.json"])
    assert "rates" in capsys.readouterr().err


def snakemake(folder, *arguments, **config):
    config = {"exhibits": '["table21","table24"]', **config}
    command = ["-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), "--directory", str(folder), *arguments]
    command += ["--config", *(f"{key}={value}" for key, value in config.items())]
    done = subprocess.run([sys.executable, *command], capture_output=True, encoding="utf-8", cwd=folder)
    assert done.returncode == 0, done.stderr
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", done.stdout + done.stderr, flags=re.M)}


@pytest.mark.slow
@pytest.mark.parametrize("together, processes", [(1, 15), (15, 1)])
def test_snakemake_plans_a_search_that_seeds_share(tmp_path, together, processes):
    jobs = snakemake(tmp_path, "-n", "cells", scale="paper", lr_search="grid", lr_search_together=together)
    assert jobs["cell"] == 3 * 14
    assert jobs["learning_rate"] == 14 and jobs["search_rates"] == 14 * processes


@pytest.mark.parametrize("search, files", [("off", 0), ("grid", 1), ("full", 1)])
def test_a_cell_waits_for_its_search(search, files):
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")) | {"lr_search": search}
    wildcards = SimpleNamespace(scale="quick", model="mamba-130m", method="bitfit", dataset="dart", seed="2")
    workflow = Workflow(config, REPOSITORY)
    assert len(workflow.cells.learning_rate(wildcards)) == files
    assert workflow.search.to_the_end == ("--to-the-end" if search == "full" else "")


@pytest.mark.slow
def test_a_search_by_snakemake_goes_on_where_it_was_and_a_cell_shows_it(results, tmp_path):
    (tmp_path / "results").symlink_to(results)
    small = {key: value for key, value in SMALL.items() if key != "selection_steps"}
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump(
            yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
            | {"lr_search": "grid", "lr_search_together": 5, "overrides": [{"match": "*", "set": small}]}
        ),
        encoding="utf-8",
    )
    folder = plan.folder(target())
    wanted = f"results/{folder}/learning_rate.json"
    words = [wanted, "--configfile", "config.yaml", "--cores", "1", "--rerun-triggers", "mtime"]
    first = plan.processes(5)[0]
    done = ["--overrides", json.dumps(small), "--output", str(results / folder / f"rates/{first}.json")]
    assert (
        main(["search-rates", "quick/mamba-130m/lora@linear/glue-sst2", first, "--results", str(results), *done]) == 0
    )
    jobs = snakemake(tmp_path, *words)
    assert jobs["search_rates"] == 2 and jobs["learning_rate"] == 1
    found = json.loads((tmp_path / wanted).read_text(encoding="utf-8"))
    assert [rate["learning_rate"] for rate in found["rates"]] == [float(name) for name in plan.GRID]
    ok = [rate for rate in found["rates"] if rate["status"] == "ok"]
    best = max(rate["score"] for rate in ok)
    assert found["learning_rate"] == min(rate["learning_rate"] for rate in ok if rate["score"] == best)

    run = open_run(target(), results, SMALL, learning_rate=tmp_path / wanted)
    assert run.recipe.learning_rate == found["learning_rate"]
    shown = report.search(run)
    assert f"The learning rate {found['learning_rate']:g} was chosen among 15" in shown.text
    assert shown.markup.count("<tr>") >= 15


def test_the_plan_command_counts_the_search(tmp_path, capsys):
    document = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "config.yaml"
    path.write_text(
        yaml.safe_dump(document | {"lr_search": "grid", "exhibits": ["table21", "table24"]}), encoding="utf-8"
    )
    assert main(["plan", "--scale", "paper", "--config", str(path), "--results", str(tmp_path)]) == 0
    assert "14 times 15 rates, each 1 epoch on 2,000 examples at most, in 210 processes" in capsys.readouterr().out


def test_the_book_shows_what_was_measured():
    lines = json.loads(piece.RECORDED.read_text(encoding="utf-8"))["lines"].values()
    shown = piece.myst(None, "reproduce")
    for line in lines:
        assert f"<code>{line['method']}</code>" in shown
        assert f"{line['search']['ratio']:.1f}</td>" in shown and f"{line['process']['ratio']:.1f}</td>" in shown
