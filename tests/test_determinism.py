"""The same cell on the same machine has the same results to the last bit, and the seed decides all that is drawn."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
import torch
from reference import REPOSITORY

from ssmpeft_lib.adapters.storage import save
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.results import read_metrics
from ssmpeft_lib.runs.open import adapt_run, open_run

SMALL = {"steps": 6, "train_examples": 64, "eval_examples": 16, "max_new_tokens": 4, "selection_steps": 2}
SDLORA = "sdlora,freeze_channels=0.5,freeze_states=0.5"
METHODS = ["full", "lora@linear", "dora@out_proj", "bitfit", "prompt,tokens=4", "prefix,tokens=2", SDLORA]


@pytest.fixture(autouse=True)
def _one_thread_again():
    yield
    torch.set_num_threads(1)


def came_to(results: Path, folder: Path, method: str, seed: int = 0, threads: int = 1, **overrides) -> dict[str, str]:
    """A digest of the trained tensors, and what is deterministic of metrics.json."""
    cell = Cell("quick", "mamba-130m", method, overrides.pop("dataset", "glue-sst2"), seed)
    run = open_run(cell, results, SMALL | overrides, threads=threads)
    adapt_run(run)
    run.train()
    run.score("val"), run.score("test")
    save(run.model, folder)
    kept = {key: value for key, value in run.metrics().items() if key in ("val", "test", "history", "recipe")}
    adapter = (folder / "adapter_model.safetensors").read_bytes()
    return {"adapter": hashlib.sha256(adapter).hexdigest(), **{key: str(value) for key, value in kept.items()}}


@pytest.mark.parametrize("method", METHODS)
def test_threads_change_nothing_and_another_seed_changes_what_is_trained(results, tmp_path, method):
    first = came_to(results, tmp_path, method)
    assert came_to(results, tmp_path, method, threads=2) == first
    other = came_to(results, tmp_path, method, seed=1)
    assert other["adapter"] != first["adapter"] and other["history"] != first["history"]


@pytest.mark.parametrize(
    "precision, dataset, dropout",
    [("bf16", "glue-sst2", 0.1), ("fp32", "dart", 0.1)],
)
def test_dropout_mixed_precision_and_generation_are_the_same_twice(results, tmp_path, precision, dataset, dropout):
    options = {"precision": precision, "dataset": dataset, "dropout": dropout, "beams": 2}
    first = came_to(results, tmp_path, "lora@linear", **options)
    # whatever was drawn before must not matter
    torch.rand(11)
    assert came_to(results, tmp_path, "lora@linear", threads=2, **options) == first


@pytest.mark.parametrize("dataset, drawn", [("glue-sst2", ("dropout", "order", "start"))])
def test_the_seed_reaches_dropout_the_order_of_examples_and_the_start_of_an_adapter(results, dataset, drawn):
    found = {}
    for seed in (0, 1):
        run = open_run(Cell("quick", "mamba-130m", "lora@linear", dataset, seed), results, SMALL | {"dropout": 0.5})
        adapt_run(run)
        found["start", seed] = torch.cat([p.detach().flatten() for p in run.trained.values()])
        found["order", seed] = torch.stack([next(run.problem.losses(seed))().detach() for _ in range(2)]).sum()
        torch.manual_seed(seed)
        found["dropout", seed] = torch.nn.functional.dropout(torch.ones(64), 0.5)
    for what in drawn:
        assert not torch.equal(found[what, 0], found[what, 1]), what


@pytest.mark.slow
def test_a_cell_is_the_same_through_the_warm_server_plainly_and_with_more_threads(results, tmp_path):
    notebook = tmp_path / "cell.ipynb"
    nbformat.write(jupytext.read(REPOSITORY / "notebooks" / "cell.md"), notebook)
    runtime = tmp_path / "r"
    runtime.mkdir(mode=0o700)
    client = REPOSITORY / "ssmpeft_lib" / "execute" / "forkserver" / "client.py"
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "SSMPEFT_WARM_IDLE": "30"}
    found = []
    for warm, threads in (("1", 1), ("1", 1), ("0", 1), ("1", 2)):
        folder = tmp_path / f"cell{len(found)}"
        command = [sys.executable, "-S", "-E", client, "run-cell", "quick/mamba-130m/lora@linear/glue-sst2/seed0"]
        options = {"--notebook": notebook, "--output": folder / "cell.ipynb", "--results": results}
        options |= {"--threads": str(threads), "--overrides": '{"steps": 6, "train_examples": 64, "eval_examples": 16}'}
        words = [word for pair in options.items() for word in pair]
        done = subprocess.run(
            [*command, *words],
            env=environment | {"SSMPEFT_WARM": warm},
            cwd=REPOSITORY,
            capture_output=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        metrics = read_metrics(folder / "metrics.json")
        assert metrics["status"] == "ok", metrics["error"]
        numbers = {key: metrics[key] for key in ("recipe", "data", "val", "test", "history")}
        files = ("predictions.jsonl", "adapter/adapter_model.safetensors", "adapter/adapter_config.json")
        found.append((numbers, [(folder / name).read_bytes() for name in files]))
    assert all(one == found[0] for one in found)
