"""config.yaml: every mistake gets one readable error that names key, value and what is allowed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from reference import REPOSITORY

from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.cell import SCALES, Cell
from ssmpeft_lib.plan.config import Config
from ssmpeft_lib.plan.snakemake.workflow import Workflow

DEFAULT = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))


def test_the_default_configuration_is_valid():
    assert Config.load(REPOSITORY / "config.yaml").scale == "quick"


def test_every_key_of_the_schema_is_explained_in_the_file():
    schema = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    lines = (REPOSITORY / "config.yaml").read_text(encoding="utf-8").splitlines()
    for key in schema["properties"]:
        line = next(i for i, text in enumerate(lines) if text.startswith(f"{key}:"))
        assert lines[line - 1].startswith("#"), f"{key} has no comment above it"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"scal": "quick"}, r"config.yaml: no key 'scal' .*did you mean 'scale'"),
        ({"scale": "quik"}, r"key 'scale': no value 'quik' .*paper, quick, real.*did you mean 'quick'"),
        ({"seeds": 3}, r"key 'seeds': got 3, needs object"),
        ({"seeds": {"quick": "three", "real": 1, "paper": 3}}, r"key 'seeds.quick': got 'three', needs integer"),
        ({"exhibits": "table8"}, r"key 'exhibits': got 'table8', needs one of all; or a list of strings"),
        ({"data_dir": "/no/such/folder"}, r"data_dir is '/no/such/folder', and there is nothing"),
        ({"scale": "real"}, r"scale 'real' .* needs data_dir"),
        ({"overrides": [{"match": "*", "set": {"lr": 1}}]}, r"no key 'lr' in overrides.0.set .*learning_rate"),
        (
            {"overrides": [{"match": "*", "set": {"batch_size": 0}}]},
            r"key 'overrides.0.set.batch_size': 0 is less than",
        ),
        (
            {"overrides": [{"match": "mamba-130m/*/dart", "set": {"splits": {"train": "dev"}}}]},
            r"splits are of a data set, .* match 'mamba-130m/\*/dart' must be \*/dart",
        ),
        (
            {"overrides": [{"match": "*", "set": {"learning_rate": "1e-4"}}]},
            r"got '1e-4', needs number; YAML reads 1e-4 as text, write 1.0e-4$",
        ),
        ({"overrides": [{"match": "*", "set": {"learning_rate": "2.5e3"}}]}, r"write 2.5e\+3$"),
        ({"overrides": [{"match": "*", "set": {"learning_rate": "fast"}}]}, r"got 'fast', needs number$"),
        ({"warm_kernels": "yes"}, r"key 'warm_kernels': got 'yes', needs boolean"),
    ],
)
def test_a_mistake_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        Config.check(DEFAULT | change)


def test_only_leaves_cells_out():
    config = Config.check(DEFAULT | {"only": ["*/lora*/dart", "jamba-tiny/*"]})
    wanted = [("mamba-130m", "lora@out_proj", "dart"), ("jamba-tiny", "full", "spider")]
    others = [("mamba-130m", "full", "dart"), ("mamba-130m", "lora", "spider")]
    assert all(config.wants(Cell("quick", *words, 0)) for words in wanted)
    assert not any(config.wants(Cell("quick", *words, 0)) for words in others)


def test_yaml_reads_off_as_false_and_it_is_understood():
    assert Config.check(DEFAULT | {"lr_search": False}).lr_search == "off"


def test_learning_rates_are_searched_at_the_scale_of_the_paper_unless_the_configuration_says_otherwise():
    assert Config.check(DEFAULT).lr_search == "off"
    assert Config.check(DEFAULT | {"scale": "paper"}).lr_search == "grid"
    assert Config.check(DEFAULT | {"scale": "paper", "lr_search": False}).lr_search == "off"


def test_globs_that_match_nothing_are_told_with_what_they_may_mean():
    overrides = [{"match": "*/doora/dart", "set": {"steps": 3}}, {"match": "*/dora@*/dart", "set": {"steps": 3}}]
    plan = Workflow(DEFAULT | {"only": ["mamba-13m/*", "mamba-130m/*"], "overrides": overrides}, REPOSITORY)
    only, override = plan.exhibits.unmatched_globs()
    assert only.startswith("only: 'mamba-13m/*' matches no cell of any exhibit") and "mamba-130m/" in only
    assert override.startswith("overrides: match: '*/doora/dart' matches no cell") and "/dart" in override
    assert Workflow(DEFAULT, REPOSITORY).exhibits.unmatched_globs() == []


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            {"exhibits": ["table18"], "only": ["*/*/glue-*"]},
            [
                r"only: '\*/\*/glue-\*' matches no cell of exhibits: \[table18\], but cells of table01, table02",
                r"nothing is left to run: exhibits: \[table18\] has 10 cells, and only: \['\*/\*/glue-\*'\] leaves out",
            ],
        ),
        ({"exhibits": ["table18"], "only": ["*/*/glue-*", "*/dora*/dart"]}, [r"'\*/\*/glue-\*' matches no cell of"]),
        # misspelt: said by another message
        ({"only": ["mamba-13m/*"]}, [r"nothing is left to run: exhibits: all has [\d,]+ cells"]),
        ({"exhibits": ["table18"], "only": ["*/*/glue-*"], "also": ["mamba-130m/lora/glue-rte"]}, []),
        ({"cells": "existing"}, [r"cells: existing runs nothing, and there is no result in results/quick/cells/"]),
        ({"exhibits": ["table18"], "only": ["*/dora*/dart"]}, []),
        ({}, []),
    ],
)
def test_settings_that_together_leave_nothing_are_told(changes, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = Workflow(DEFAULT | changes, REPOSITORY).exhibits.left_out()
    assert len(found) == len(said)
    assert all(re.search(pattern, message) for pattern, message in zip(said, found, strict=True)), found


def test_without_stand_ins_and_without_checkpoints_it_is_told_why_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("ssmpeft_lib.plan.snakemake.exhibits.recorded_checkpoints", lambda *given: [])
    changes = {"scale": "real", "data_dir": str(tmp_path), "stand_ins": False}
    (said,) = Workflow(DEFAULT | changes, REPOSITORY).exhibits.left_out()
    assert said == "nothing is left to run: stand_ins: false, and recorded/checkpoints/ has none of the models"


def test_splits_may_be_given_to_data_sets_by_a_glob():
    overrides = [{"match": "*/glue-*", "set": {"splits": {"train": "dev"}}}]
    plan = Workflow(DEFAULT | {"overrides": overrides}, REPOSITORY)
    found = [plan.data.splits(SimpleNamespace(dataset=name)) for name in ("glue-rte", "glue-qnli", "dart")]
    assert found == ['{"train": "dev"}', '{"train": "dev"}', "{}"]


def test_later_overrides_win():
    overrides = [
        {"match": "*/lora*/*", "set": {"learning_rate": 0.1, "batch_size": 2}},
        {"match": "*/*/dart", "set": {"learning_rate": 0.2}},
    ]
    config = Config.check(DEFAULT | {"overrides": overrides})
    assert config.overrides_for(Cell("quick", "m", "lora@out_proj", "dart", 0)) == {
        "learning_rate": 0.2,
        "batch_size": 2,
    }
    assert config.overrides_for(Cell("quick", "m", "full", "samsum", 0)) == {}


def test_inputs_of_rules_are_relative_so_that_a_moved_folder_keeps_its_results(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    plan = Workflow(DEFAULT, Path("."))
    asked = SimpleNamespace(exhibit="figure1", scale="quick", chapter="theory")
    inputs = [
        *plan.exhibits.specs,
        *plan.exhibits.spec(asked),
        *plan.exhibits.recorded(asked),
        *plan.book.prose,
        *plan.book.measured,
        *plan.book.chapter_sources,
        *plan.book.chapters,
        *plan.exhibits.files,
        *plan.exhibits.metrics_files,
    ]
    assert len(inputs) > 500
    assert not [path for path in map(Path, inputs) if path.is_absolute()]
    prepared = (REPOSITORY / "ssmpeft_lib/plan/snakemake/prepare.py").read_text(encoding="utf-8")
    assert "relpath(workflow.basedir)" in prepared


def test_the_shares_are_counted_anew_when_a_method_comes_goes_or_changes(monkeypatch):
    plan, files = Workflow(DEFAULT, REPOSITORY), registry.files
    before = plan.exhibits.code_of_shares(None)
    assert plan.exhibits.code_of_shares(None) == before
    monkeypatch.setattr(
        registry, "files", lambda folder: tuple(name for name in files(folder) if name != "sdlora_plus")
    )
    assert plan.exhibits.code_of_shares(None) != before


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_conda_or_not_makes_nothing_stale(profile):
    settings = yaml.safe_load((REPOSITORY / "profiles" / profile / "config.yaml").read_text(encoding="utf-8"))
    assert set(settings["rerun-triggers"]) == {"mtime", "input", "params", "code"}


def test_what_is_no_yaml_is_refused_with_line_and_column_by_snakemake_as_well(tmp_path):
    """In a copy of the repository's top: the Snakefile reads the config.yaml beside it."""
    for name in ("Snakefile", "workflow", "ssmpeft_lib", "profiles"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "config.yaml").write_text("scale: quick: [", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--snakefile", "Snakefile"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode != 0
    assert "config.yaml: not valid YAML at line 1, column 13" in done.stdout + done.stderr


def test_scales_are_the_same_in_the_schema_and_in_the_file():
    schema = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    assert schema["properties"]["scale"]["enum"] == list(SCALES) == list(DEFAULT["seeds"])
    assert schema["properties"]["seeds"]["required"] == list(SCALES)
