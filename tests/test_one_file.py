"""The promise of CONTRIBUTING.md: a new thing of any kind is one file, which the plan, a run and the book find."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from reference import REPOSITORY

KINDS = ("methods", "mixers", "models", "data", "metrics", "workflow/exhibits")
CELLS = {
    f"quick/recurrentgemma-2b/{method}/bit-parity/seed0"
    for method in ("lora@linear_x+linear_out", "rescale,scale=2.0", "bitfit")
}
CONFIG = {
    "scale": "quick",
    "exhibits": ["extension1", "extension2"],
    "seeds": {"quick": 1, "real": 1, "paper": 1},
    "pretraining_steps": 2,
    "overrides": [{"match": "*", "set": {"steps": 2, "train_examples": 32, "eval_examples": 8}}],
}
BESIDE = ("ssmpeft_lib", "workflow", "notebooks", "book", "profiles", "recorded", "Snakefile", "config.yaml")


def templates() -> dict[str, str]:
    """The files that the document shows, by their paths, which stand in each one's first line."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return {
        path: content
        for path, content in re.findall(r"```(?:python|yaml)\n# (\S+/\S+)\n(.*?)```", text, flags=re.DOTALL)
    }


def test_the_document_shows_a_file_of_every_kind_that_is_not_there_yet():
    folders = {Path(path).parent.as_posix().removeprefix("ssmpeft_lib/") for path in templates()}
    assert folders == set(KINDS)
    assert not [path for path in templates() if (REPOSITORY / path).exists()]
    kinds = {yaml.safe_load(text).get("kind", "table") for path, text in templates().items() if path.endswith(".yaml")}
    assert kinds == {"table", "figure"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A copy of the repository in which no file is touched: those of the document are put beside.

    Of the paper's exhibits it has the tables by which costs are estimated: to count parameters for all takes a minute.
    """
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__", "table[01]*.yaml", "table2[0-47-9].yaml", "figure*.yaml")
    for name in BESIDE:
        source = REPOSITORY / name
        shutil.copytree(source, folder / name, ignore=ignored) if source.is_dir() else shutil.copy(
            source, folder / name
        )
    for path, text in templates().items():
        (folder / path).write_text(text, encoding="utf-8")
    (folder / "small.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    return folder


def python(repository: Path, *arguments: str) -> str:
    """What a command says that runs on the copy's code."""
    environment = os.environ | {"PYTHONPATH": str(repository), "SSMPEFT_WARM": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=repository, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_files_are_formatted_as_all_are(repository):
    files = [str(repository / path) for path in templates() if path.endswith(".py")]
    for words in (["check"], ["format", "--check"]):
        python(repository, "-m", "ruff", *words, "--config", str(REPOSITORY / "pyproject.toml"), *files)


def test_the_plan_finds_them(repository):
    assert "recurrentgemma-2b" in python(repository, "-m", "ssmpeft_lib", "plan", "--config", "small.yaml")
    code = (
        "import json; from pathlib import Path; from ssmpeft_lib.plan.exhibit import cells_of, load_exhibits;"
        "exhibits = load_exhibits(Path('workflow/exhibits'), ['extension1', 'extension2']);"
        "print(json.dumps([str(cell) for cell in cells_of(exhibits, 'quick', range(1))]))"
    )
    assert set(json.loads(python(repository, "-c", code))) == CELLS
    params = json.loads(python(repository, "-m", "ssmpeft_lib", "params", "mamba-130m", "rescale"))
    assert params["trainable"] == 24 * (2 * 1536 + 768)
    assert params["slots"]["out_proj"]["how"] == "a factor for each row"


@pytest.fixture(scope="module")
def results(repository) -> Path:
    """What a tiny run of both exhibits leaves behind."""
    exhibits = [f"results/quick/exhibits/{name}.json" for name in CONFIG["exhibits"]]
    settings = ["--configfile", "small.yaml", "--workflow-profile", "profiles/default", "--cores", "1"]
    python(repository, "-m", "snakemake", *settings, *exhibits)
    return repository / "results"


@pytest.mark.slow
def test_a_tiny_run_trains_and_scores_them(results):
    for cell in CELLS:
        scale, model, method, dataset, seed = cell.split("/")
        metrics = json.loads(
            (results / scale / "cells" / model / method / dataset / seed / "metrics.json").read_bytes()
        )
        assert metrics["status"] == "ok" and 0 <= metrics["val"]["exact_match"] <= 100, cell
    for name in CONFIG["exhibits"]:
        document = json.loads((results / "quick" / "exhibits" / f"{name}.json").read_bytes())
        points = [point for row in document["rows"] for point in row["points"]]
        assert points and all("mean" in point["ours"] for point in points), name


@pytest.mark.slow
def test_the_book_shows_them(repository, results):
    exhibits = [f"results/quick/exhibits/{name}.json" for name in CONFIG["exhibits"]]
    output = "results/quick/book/_toc.yml"
    python(
        repository, "-m", "ssmpeft_lib", "make-pages", "--scale", "quick", "--exhibits", *exhibits, "--output", output
    )
    book = results / "quick" / "book"
    contents = (book / "_toc.yml").read_text(encoding="utf-8")
    for page in ("exhibits/extension1", "exhibits/extension2", "methods/rescale"):
        assert f"file: {page}\n" in contents and (book / f"{page}.md").exists(), page
    method = (book / "methods" / "rescale.md").read_text(encoding="utf-8")
    assert "Rescaling" in method and "a factor for each row" in method and "multiplied with" in method
    assert "--rescaling: #7a5200" in (book / "_static" / "book.css").read_text(encoding="utf-8")
