"""What a configuration will take: cells as Snakemake plans them, and figures that can be checked by hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from exhibit_specs import points
from reference import REPOSITORY

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.plan import costs, paths, registry, search
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.results import write_metrics
from ssmpeft_lib.plan.snakemake.resources import Needs

CONFIG = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def nothing_recorded(monkeypatch, tmp_path):
    """No recorded runs, and a place to record some."""
    path = tmp_path / "repository" / "recorded" / "costs.json"
    monkeypatch.setattr(costs, "RECORDED", path)
    for cached in (costs.recorded, costs.cost_of):
        cached.cache_clear()
    yield path
    for cached in (costs.recorded, costs.cost_of):
        cached.cache_clear()


def paper_cells() -> set[Cell]:
    return {cell for point in points() for cell in point.cells("paper", range(CONFIG["seeds"]["paper"]))}


@pytest.mark.slow
def test_the_whole_papers_matrix_is_planned_with_the_right_number_of_jobs(tmp_path):
    cells = paper_cells()
    command = ["-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), "--directory", str(tmp_path), "-n", "-q", "all"]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, *command, "--config", "scale=paper"], capture_output=True, encoding="utf-8", env=environment
    )
    assert done.returncode == 0, done.stderr
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", done.stdout + done.stderr, flags=re.M)}
    assert jobs["cell"] == len(cells)
    searched = {search.folder(cell) for cell in cells if search.searched(cell, {})}
    assert jobs["learning_rate"] == len(searched)
    assert jobs["search_rates"] == len(searched) * len(search.GRID)
    encoded = {(paths.tokenizer_of("paper", cell.model), cell.dataset) for cell in cells}
    pretrained = {(model, paths.pretrained_on(model)) for model in {cell.model for cell in cells}}
    encoded |= {(paths.tokenizer_of("paper", model), dataset) for model, dataset in pretrained if dataset}
    assert jobs["data"] == len(encoded)
    assert jobs["tokenizer"] == len({tokenizer for tokenizer, _ in encoded} - {paths.NO_TOKENIZER})
    prepared = [cell for cell in cells if not paths.is_drawn(cell.model)]
    assert jobs["checkpoint"] == len({paths.checkpoint_of("paper", cell.model, cell.dataset) for cell in prepared})
    assert jobs["exhibit"] == len(list((REPOSITORY / "workflow" / "exhibits").glob("*.yaml")))
    assert jobs["chapter"] == len(list((REPOSITORY / "notebooks").glob("*.md"))) - 1
    once = {"shares", "template", "errata", "pages", "html", "all"}
    several = {"cell", "learning_rate", "search_rates", "tokenizer", "checkpoint", "data", "exhibit", "chapter"}
    assert jobs.keys() - {"total"} == once | several
    assert jobs["total"] == sum(jobs[name] for name in several) + len(once)


def test_the_command_counts_the_same_cells(capsys, tmp_path):
    assert main(["plan", "--scale", "paper", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"Scale paper, 3 seed(s): {len(paper_cells()):,} cells for 29 tables and figures, 0 of them" in printed
    rows = {words[0]: words for words in map(str.split, printed.splitlines()) if len(words) > 3}
    models = {cell.model for cell in paper_cells()}
    assert models <= rows.keys()
    assert sum(int(rows[model][1].replace(",", "")) for model in models) == len(paper_cells())


def test_a_cell_of_the_timed_data_set_costs_what_the_paper_prints(nothing_recorded):
    # Tables 25 and 26, LoRA on Mamba-130M; a run scores 16 more sequences beside the 10000 that it trains on
    cost = costs.cost_of("paper", "mamba-130m", "random-tokens")
    assert cost.seconds == pytest.approx(410.0 * 10016 / 10000)
    assert cost.memory_gb == pytest.approx(7.753)
    assert cost.source == "printed"


def test_a_model_without_a_printed_time_lies_on_the_line_through_two_that_have_one(nothing_recorded):
    seconds = {
        model: costs.cost_of("paper", model, "dart").seconds for model in ("mamba-130m", "mamba-1.4b", "mamba-2.8b")
    }
    small, large = seconds["mamba-1.4b"] / seconds["mamba-130m"], seconds["mamba-2.8b"] / seconds["mamba-1.4b"]
    assert small == pytest.approx(2060.0 / 410.0)
    # doubling the size costs as many powers of two everywhere on the line
    assert large == pytest.approx(small ** (0.30103 / 1.03218), rel=1e-3)
    assert costs.cost_of("paper", "mamba-2.8b", "dart").source == "extrapolated"


def test_every_planned_cell_has_a_cost_at_every_scale():
    for model, dataset in sorted({(cell.model, cell.dataset) for cell in paper_cells()}):
        for scale in ("quick", "real", "paper"):
            cost = costs.cost_of(scale, model, dataset)
            assert 0 < cost.seconds < 1e7 and 0 < cost.memory_gb < 1000, (model, dataset)


def test_finished_runs_are_recorded_and_count_from_then_on(nothing_recorded, tmp_path, capsys):
    for seed, seconds in enumerate((2.0, 4.0)):
        cell = Cell("quick", "mamba-130m", "lora", "dart", seed)
        cost = {
            "train_seconds": seconds,
            "validation_seconds": 1.0,
            "val_seconds": 0.5,
            "test_seconds": 0.25,
            "peak_memory_gb": seconds / 8,
        }
        metrics = {
            "schema": 1,
            "status": "ok",
            "cell": str(cell),
            "recipe": {},
            "data": {},
            "history": [],
            "cost": cost,
        }
        made_by = {"results_version": 1, "device": "a machine"}
        write_metrics(tmp_path / "results" / cell.path / "metrics.json", metrics | {"made_by": made_by})
    assert main(["plan", "--record", "--results", str(tmp_path / "results")]) == 0
    written = yaml.safe_load(nothing_recorded.read_text(encoding="utf-8"))["costs"]["quick"]["mamba-130m"]["dart"]
    assert written == {"cells": 2, "seconds": 4.75, "memory_gb": 0.5, "devices": ["a machine"]}
    assert costs.cost_of("quick", "mamba-130m", "dart") == costs.Cost(4.75, 0.5, "recorded")
    assert costs.cost_of("quick", "mamba-1.4b", "dart").source == "extrapolated"
    assert "recorded" in capsys.readouterr().out


def test_what_only_leaves_out_is_not_planned(tmp_path, capsys):
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")) | {
        "only": ["mamba-130m/full/dart"]
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    assert main(["plan", "--config", str(path), "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Scale quick, 1 seed(s): 1 cells for" in said and "warning" not in said


def test_a_plan_of_nothing_says_what_leaves_nothing(tmp_path, capsys):
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config | {"exhibits": ["table18"], "only": ["*/*/spider"]}), encoding="utf-8")
    assert main(["plan", "--config", str(path), "--results", str(tmp_path)]) == 0
    assert "warning: nothing is left to run: exhibits: [table18] has 10 cells" in capsys.readouterr().out


def test_nothing_to_record_is_said(tmp_path, capsys):
    assert main(["plan", "--record", "--results", str(tmp_path)]) == 1
    assert "nothing to record" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "points"])
def test_the_clones_configuration_is_found_from_any_folder(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([command]) == 0 and capsys.readouterr().out
    assert main([command, "--config", "mine.yaml"]) == 1
    assert "no configuration at mine.yaml; the repository's own is" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "points"])
def test_an_installed_library_says_what_planning_needs(command, tmp_path):
    shutil.copytree(REPOSITORY / "ssmpeft_lib", tmp_path / "ssmpeft_lib")
    done = subprocess.run(
        [sys.executable, "-m", "ssmpeft_lib", command], cwd=tmp_path, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"{tmp_path}/workflow is missing" in done.stderr and "clone the repository" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("read", [0, 1], ids=["nothing", "a line"])
def test_a_reader_that_stops_reading_is_no_error(read):
    command = [sys.executable, "-m", "ssmpeft_lib", "points"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        for _ in range(read):
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait() == 0


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_a_cell_that_failed_gets_more_at_the_next_attempt(scale):
    needs, cell = Needs(scale), Cell(scale, "mamba-1.4b", "lora", "samsum", 0)
    assert needs.memory_mb(cell, 2) == 2 * needs.memory_mb(cell, 1) > 0
    assert needs.minutes(cell, 2) == 2 * needs.minutes(cell, 1) > 0


def test_a_job_asks_for_no_more_time_than_the_cluster_gives_and_for_no_memory_without_end():
    cell = Cell("paper", "mamba-1.4b", "lora", "glue-qqp", 0)
    free, bounded = Needs("paper"), Needs("paper", job_hours=24)
    assert free.minutes(cell, 1) > 24 * 60 == bounded.minutes(cell, 1) == bounded.minutes(cell, 11)
    assert bounded.memory_mb(cell, 11) == 3 * bounded.memory_mb(cell, 1)


def test_a_process_of_the_search_asks_for_its_own_time():
    """An epoch on 2,000 examples and 500 scored, for each of its rates; by hand from what the whole cell takes."""
    cell = Cell("paper", "mamba-1.4b", "lora", "glue-qqp", 0)
    facts = registry.dataset_facts("glue-qqp")
    whole = costs.cost_of("paper", "mamba-1.4b", "glue-qqp").seconds
    examples = facts.epochs * (facts.train + facts.val) + facts.test
    seconds = costs.search_seconds("paper", "mamba-1.4b", "glue-qqp", 1)
    assert seconds == pytest.approx(whole * 2500 / examples)
    assert costs.search_seconds("paper", "mamba-1.4b", "glue-qqp", 15) == pytest.approx(15 * seconds)
    asked = Needs("paper").search_minutes(SimpleNamespace(**vars(cell), rates="4e-3+2e-3"), 1)
    assert asked < Needs("paper").minutes(cell, 1) / 10


def test_cells_that_one_card_cannot_hold_are_told(capsys):
    assert main(["plan", "--scale", "paper"]) == 0
    warned = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ") and "GB" in line]
    assert warned and all("80 GB" in line and "recompute_every: 1" in line for line in warned)
    assert main(["plan", "--scale", "quick"]) == 0
    assert "warning: " not in capsys.readouterr().out


def test_on_a_workstation_cells_share_out_the_cores_by_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,3")
    assert Needs("paper").threads(16) == 5 and Needs("paper").threads(2) == 1
    assert Needs("quick").threads(16) == 1 and Needs("quick").gpus == 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Needs("paper").threads(16) == 1
