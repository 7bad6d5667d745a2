"""The protocol of scale real: which cells it plans, that the questions are of these, and what `agree` says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from reference import REPOSITORY

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.compare.questions import Runs, answered, load_questions
from ssmpeft_lib.data._source import describe_roles
from ssmpeft_lib.plan import search
from ssmpeft_lib.plan.archive import pack
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.config import Config
from ssmpeft_lib.plan.exhibit import load_exhibits
from ssmpeft_lib.plan.results import RESULTS_VERSION
from ssmpeft_lib.plan.snakemake.exhibits import ExhibitRules
from ssmpeft_lib.plan.snakemake.models import ModelRules
from ssmpeft_lib.training.recipe import Recipe, for_search

WORKFLOW = REPOSITORY / "workflow"
PROTOCOL = WORKFLOW / "configs" / "real.yaml"


@pytest.fixture(scope="module")
def config() -> Config:
    return Config.load(PROTOCOL, data_dir=REPOSITORY)


@pytest.fixture(scope="module")
def planned(config) -> list[Cell]:
    every = config.every_cell(load_exhibits(WORKFLOW / "exhibits", config.exhibits))
    return [cell for cell in every if config.wants(cell)]


def test_the_protocol_is_the_issues(config, planned):
    assert config.seeds == range(3) and len(config.lr_search_rates) == config.lr_search_together == 7
    assert set(config.lr_search_rates) <= set(search.GRID) and search.processes(7, config.lr_search_rates)[1:] == []
    assert {cell.dataset for cell in planned} == {
        "dart", "spider", "glue-rte", "glue-mrpc", "glue-cola", "glue-sst2", "glue-qnli", "glue-mnli"
    }  # fmt: skip
    for cell in planned:
        overrides = config.overrides_for(cell)
        assert overrides["steps"] * overrides["batch_size"] <= overrides["train_examples"] == 4000


def test_every_data_set_has_disjoint_parts(config, planned):
    for dataset in {cell.dataset for cell in planned}:
        splits = [entry["set"]["splits"] for entry in config.overrides if entry["match"] == f"*/{dataset}"
                  if "splits" in entry["set"]]  # fmt: skip
        roles = describe_roles(dataset, splits[0] if splits else None)
        assert len(set(roles.values())) == 3


def test_globs_of_the_protocol_match(config):
    assert not list(config.unmatched_globs(config.every_cell(load_exhibits(WORKFLOW / "exhibits", config.exhibits))))


def test_both_sides_of_every_question_are_planned_on_every_data_set(planned):
    spec, runs = load_questions(WORKFLOW / "questions.yaml"), Runs(Path("nowhere"), planned)
    for question in spec["questions"]:
        model, datasets = question.get("model", spec["model"]), question.get("datasets", spec["datasets"])
        sides = [
            globs for contrast in question.get("contrasts", []) for globs in (contrast["ahead"], contrast["behind"])
        ]
        for globs in sides or [question["order"]]:
            for glob in globs:
                assert any(runs.methods(model, name, [glob]) for name in datasets), (question["number"], glob)
            assert all(runs.methods(model, name, globs) for name in datasets), (question["number"], globs)


def test_no_cell_runs_on_a_stand_in(config, tmp_path):
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow" / "exhibits").symlink_to(WORKFLOW / "exhibits")
    assert ExhibitRules(config, tmp_path).cells == []
    checkpoint = tmp_path / "recorded" / "checkpoints" / "mamba2-130m" / "model.json"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("{}", encoding="utf-8")
    assert {cell.model for cell in ExhibitRules(config, tmp_path).cells} == {"mamba2-130m"}


def test_a_cell_that_is_asked_for_by_name_runs_on_no_stand_in_either(config, tmp_path):
    with pytest.raises(FileNotFoundError, match="make real-models TEXT=DIR MODELS=mamba2-130m"):
        ModelRules(config, tmp_path).recorded(SimpleNamespace(checkpoint="mamba2-130m"))


@pytest.mark.parametrize(
    ("also", "words"),
    [
        (["mamba-130m/full"], "not of the form model/method/dataset"),
        (["mamba-130m/lorra/dart"], "lorra"),
        (["mamba-130m/full/dart/seed0"], "not of the form"),
    ],
)
def test_a_wrong_cell_beside_the_tables_is_refused(also, words):
    document = yaml.safe_load(PROTOCOL.read_text(encoding="utf-8")) | {"also": also, "data_dir": str(REPOSITORY)}
    with pytest.raises((ValueError, LookupError), match=words):
        Config.check(document).every_cell([])


def test_the_search_never_trains_longer_than_the_run_itself():
    short = for_search(
        Recipe(1e-3, batch_size=8, steps=100, train_examples=4000, val_examples=50, eval_examples=900), 1e-2
    )
    assert (short.train_examples, short.val_examples, short.epochs, short.steps) == (800, 50, 1, None)
    assert for_search(Recipe(1e-3), 1e-2).train_examples == search.TRAIN_EXAMPLES
    assert for_search(Recipe(1e-3, batch_size=8, steps=300, search_examples=400), 1e-2).train_examples == 400
    assert for_search(Recipe(1e-3, batch_size=8, steps=10, search_examples=400), 1e-2).train_examples == 80


def write(folder: Path, cell: Cell, score: float, rate: float = 1e-3) -> None:
    drawn = [score + (place % 5 - 2) / 10 for place in range(20)]
    scores = {"score": score, "accuracy": score, "among_labels": {"accuracy": score}, "replicates": {"score": drawn}}
    metrics = {"recipe": {"learning_rate": rate}, "data": {}, "cost": {}, "history": [], "val": scores, "test": scores}
    about = {"schema": 1, "status": "ok", "cell": str(cell), "made_by": {"results_version": RESULTS_VERSION}}
    path = folder / cell.path / "metrics.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about | metrics), encoding="utf-8")


def verdicts(folder: Path, planned: list[Cell], score) -> dict[tuple[int, str], dict]:
    for cell in planned:
        if (value := score(cell)) is not None:
            write(folder, cell, value)
    spec = load_questions(WORKFLOW / "questions.yaml")
    questions = answered(spec, Runs(folder, planned), WORKFLOW / "exhibits")
    return {(question["number"], answer["label"]): answer for question in questions for answer in question["answers"]}


def by_name(cell: Cell) -> float:
    """As the paper has it: prompts below LoRA, LoRA below SDLoRA; a little noise that no two cells share."""
    level = {"prompt": 50, "prefix": 51, "bitfit": 55, "lora": 70, "sdlora": 75}
    name = re.match("[a-z]+", cell.method)[0]
    ssm = 8 if cell.method.startswith("lora@ssm") else 0
    return level.get(name, 60) - ssm + (len(cell.method) * 7 + len(cell.dataset) * 5 + cell.seed * 3) % 10 / 10


def test_effects_that_are_there_are_told(planned, tmp_path):
    found = verdicts(tmp_path, planned, by_name)
    for key in ((1, ""), (2, ""), (3, ""), (4, "with the output projection"), (5, "without it")):
        assert found[key]["verdict"] == "holds" and found[key]["missing"] == {}, key
        assert found[key]["interval"][0] <= found[key]["mean"] <= found[key]["interval"][1]
        assert found[key]["seeds_needed"] >= 2 and len(found[key]["by_dataset"]) == 7
    assert found[6, ""]["verdict"] == "same" and found[7, ""]["tau"] == 1.0


def test_effects_the_other_way_round_are_told_as_well(planned, tmp_path):
    found = verdicts(tmp_path, planned, lambda cell: 100 - by_name(cell))
    assert [found[number, ""]["verdict"] for number in (1, 2, 3)] == ["fails"] * 3


def test_noise_is_not_told_from_an_effect(planned, tmp_path):
    def score(cell: Cell) -> float:
        return 60 + hash_of(cell) % 100 / 10

    found = verdicts(tmp_path, planned, score)
    assert found[4, "without it"]["verdict"] == "unclear"


def hash_of(cell: Cell) -> int:
    return sum(ord(letter) * (place + 1) ** 2 for place, letter in enumerate(str(cell)))


def test_what_did_not_run_is_missing_and_never_zero(planned, tmp_path):
    def score(cell: Cell) -> float | None:
        without = cell.dataset == "dart" and cell.method == "lora@linear" or cell.model == "mamba2-130m"
        return None if without else by_name(cell)

    found = verdicts(tmp_path, planned, score)
    assert found[1, ""]["missing"] == {"dart": "no result of lora@linear"} and len(found[1, ""]["by_dataset"]) == 6
    assert "verdict" not in found[5, "without it"] and len(found[5, "without it"]["missing"]) == 7


def test_the_choice_is_made_on_validation_data(tmp_path, planned):
    best = "lora@in_proj_z"

    def score(cell: Cell) -> float:
        return 90 if cell.method == best else by_name(cell)

    found = verdicts(tmp_path, planned, score)
    assert {sides["ahead"] for sides in found[2, ""]["chosen"].values()} == {best}


def test_printed_effects_are_those_of_the_tables(planned, tmp_path):
    found = verdicts(tmp_path, [], lambda cell: None)
    # Table 5: 79.75 - 79.49 on GLUE, 43.85 - 42.02 on DART
    assert found[4, "without it"]["printed"] == pytest.approx((79.75 - 79.49 + 43.85 - 42.02) / 2, abs=0.01)


CELL = Cell("real", "mamba-130m", "bitfit", "glue-rte", 0)


def test_agree_says_whether_numbers_are_the_recorded_ones(tmp_path, capsys):
    results, archive = tmp_path / "results", tmp_path / "real.tar.gz"
    write(results, CELL, 61.5)
    pack(results, "real", archive)
    command = ["agree", str(archive), str(CELL), "--results", str(results)]
    assert main(command) == 0 and "the recorded numbers" in capsys.readouterr().out
    write(results, CELL, 61.6, rate=4e-3)
    assert main(command) == 1
    out = capsys.readouterr().out
    assert "test.accuracy: 61.6 here, 61.5 recorded" in out and "learning_rate: 0.004 here, 0.001 recorded" in out
    shutil.rmtree(results / "real")
    assert main(command) == 1 and "there is no result here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "make real DATA=DIR"), ({"DATA": str(REPOSITORY)}, "There is no model in recorded/checkpoints/")],
)
def test_make_real_says_what_is_missing(given, words, tmp_path):
    shutil.copyfile(REPOSITORY / "Makefile", tmp_path / "Makefile")
    for file in ("requirements.lock", "requirements-torch.lock", "pyproject.toml"):
        (tmp_path / file).touch()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installed").touch()
    arguments = [f"{name}={value}" for name, value in given.items()]
    done = subprocess.run(
        ["make", "real", *arguments], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode != 0 and words in done.stdout + done.stderr
