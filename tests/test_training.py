"""The training loop on a tiny model: it learns, keeps the best epoch, stops on NaN, resumes to the same numbers."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from damages import DAMAGES
from safetensors.torch import load_file, save_file

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.plan import code, manifest
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.results import RESULTS_VERSION, read_metrics, write_json, write_metrics
from ssmpeft_lib.runs.open import adapt_run, open_run, recompute
from ssmpeft_lib.training import checkpoint as checkpoint_module
from ssmpeft_lib.training import progress_log, provenance
from ssmpeft_lib.training.checkpoint import Checkpoint
from ssmpeft_lib.training.loop import Diverged, Trainer
from ssmpeft_lib.training.recipe import Recipe

pytestmark = pytest.mark.slow

STEPS = 24


def opened(results, method="lora@linear", dataset="glue-sst2", **overrides):
    overrides = {"steps": STEPS, "train_examples": 64, "eval_examples": 16, "max_new_tokens": 4} | overrides
    run = open_run(Cell("quick", "mamba-130m", method, dataset, 0), results, overrides)
    adapt_run(run)
    return run


@pytest.mark.parametrize(
    "method", ["full", "lora@linear", "bitfit", "prompt,tokens=4", "prefix,tokens=2", "initial_state"]
)
def test_training_lowers_the_loss_and_the_best_validation_is_kept(results, method, tmp_path):
    run = opened(results, method)
    run.train()
    history = run.progress.history
    assert len(history) == 3 and history[-1]["train_loss"] < history[0]["train_loss"]
    best = max(entry["val_score"] for entry in history)
    assert run.score("val")["score"] == pytest.approx(best)
    run.score("test")
    metrics = read_metrics(run.save(tmp_path))
    assert metrics["status"] == "ok" and metrics["cost"]["steps"] == STEPS
    rows = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 32 and {row["split"] for row in rows} == {"val", "test"}
    for row in rows:
        assert row["origin"].startswith("dev:" if row["split"] == "test" else "train:") and row["input"]
    # drawn from all of the official split
    assert max(int(row["origin"].partition(":")[2]) for row in rows if row["split"] == "test") >= 16


def test_a_pretrained_cell_trains_nothing(results):
    run = opened(results, "pretrained")
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    run.train()
    assert run.progress.step == 0 and run.metrics()["cost"]["trainable"] == 0
    assert all(torch.equal(before[name], tensor) for name, tensor in run.model.state_dict().items())


def test_generation_is_scored_as_text(results):
    run = opened(results, dataset="dart")
    run.train()
    assert {"bleu", "meteor", "score"} <= set(run.score("test"))


@pytest.mark.parametrize("method", ["full", "lora@linear+ssm", "prompt,tokens=4"])
def test_layers_computed_again_give_the_same_gradients_from_less_memory(results, method):
    kept, gradients = [], []
    for every in (None, 2, 1):
        run = opened(results, method, recompute_every=every)
        saved = []
        run.model.train()
        with torch.autograd.graph.saved_tensors_hooks(lambda x, saved=saved: saved.append(x.nbytes) or x, lambda x: x):
            loss = next(run.problem.losses(0))()
        loss.backward()
        kept.append(sum(saved))
        gradients.append({name: parameter.grad for name, parameter in run.trained.items()})
    assert kept[0] > kept[1] > kept[2]
    for again in gradients[1:]:
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(again[name], gradient, msg=name)


def test_a_warm_up_is_no_longer_than_the_run_and_no_rate_is_negative(results):
    run = opened(results, "sdlora", steps=3)
    assert run.recipe.selection_steps > run.selection_steps == run.total_steps == 3
    trainer = Trainer([{"params": list(run.trained.values()), "lr": 1.0}], run.recipe, run.total_steps)
    assert min(trainer.schedule(step) for step in range(30)) == 0


def test_a_model_without_such_layers_says_so():
    with pytest.raises(ValueError, match="recompute_every: Linear has no layers"):
        recompute(torch.nn.Linear(1, 1), 1)


SDLORA = "sdlora,freeze_channels=0.5,freeze_states=0.5"


@pytest.fixture
def often(monkeypatch):
    """Checkpoints at every validation."""
    monkeypatch.setattr(checkpoint_module.Checkpoint.__init__, "__defaults__", (0.0,))


def stopped_run(run, folder, validations=1):
    """Train until the run is interrupted, after some validations; leaves a checkpoint."""
    validate, calls = run._validate, []

    def stop_later(losses, norms):
        calls.append(1)
        if len(calls) > validations:
            raise KeyboardInterrupt
        return validate(losses, norms)

    run._validate = stop_later
    with pytest.raises(KeyboardInterrupt):
        run.train(folder)
    assert (folder / "checkpoint.pt").exists()
    # whatever happens between must not matter
    torch.rand(7)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["lora@linear", SDLORA])
def test_a_resumed_run_ends_as_an_uninterrupted_one(results, method, precision, tmp_path, often):
    whole = opened(results, method, precision=precision)
    whole.train()
    stopped_run(opened(results, method, precision=precision), tmp_path)
    resumed = opened(results, method, precision=precision)
    resumed.train(tmp_path)
    assert resumed.progress.history == whole.progress.history
    for name, parameter in whole.trained.items():
        assert torch.equal(parameter, resumed.trained[name]), name
    assert resumed.score("test") == whole.score("test")
    for name, made in whole.selection.items():
        assert torch.equal(made.trained, resumed.selection[name].trained)
    assert whole.metrics()["cost"].keys() == resumed.metrics()["cost"].keys()


def test_a_run_with_a_searched_rate_resumes_too(results, tmp_path, often):
    found = tmp_path / "learning_rate.json"
    write_json(found, {"learning_rate": 0.004, "rates": []})

    def searched():
        overrides = {"steps": STEPS, "train_examples": 64, "eval_examples": 16}
        run = open_run(Cell("quick", "mamba-130m", "bitfit", "glue-sst2", 0), results, overrides, found)
        adapt_run(run)
        return run

    whole = searched()
    whole.train()
    stopped_run(searched(), tmp_path, validations=2)
    resumed = searched()
    resumed.train(tmp_path)
    assert resumed.progress.history == whole.progress.history
    metrics = resumed.metrics()
    assert metrics["recipe"]["learning_rate"] == metrics["search"]["learning_rate"] == 0.004


def test_a_checkpoint_of_another_recipe_is_not_gone_on_from(results, tmp_path, often, caplog):
    stopped_run(opened(results), tmp_path)
    other, fresh = opened(results, learning_rate=1e-3), opened(results, learning_rate=1e-3)
    other.train(tmp_path)
    fresh.train()
    assert other.progress.history == fresh.progress.history
    assert "checkpoint.pt was written with another recipe than this run has; training starts anew" in caplog.text


def another_base_model(results):
    folder = results / "quick/models/mamba-130m"
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor * 1.01 for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    manifest.write(folder / "model.json", {"eos": 0}, [folder / "config.json", folder / "model.safetensors"])


def other_data(results):
    tokenizer, output = (
        results / "quick/tokenizers/stand-in/tokenizer.json",
        results / "quick/data/stand-in/glue-sst2.json",
    )
    words = ["prepare-data", "quick", "glue-sst2", "--splits", '{"test": null, "train": "dev"}']
    assert main([*words, "--tokenizer", str(tokenizer), "--output", str(output)]) == 0


def other_code(monkeypatch):
    monkeypatch.setattr(code, "library_digest", lambda: "another")


def other_libraries(monkeypatch):
    monkeypatch.setattr(provenance, "libraries", lambda: "another")


def another_tokenizer(results):
    path = results / "quick/tokenizers/stand-in/tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    manifest.write(path.with_name("manifest.json"), {}, [path])


@pytest.mark.parametrize(
    "change, named",
    [
        (another_base_model, "base model"),
        (another_tokenizer, "base model"),
        (other_data, "data"),
        (other_code, "code"),
        (other_libraries, "library"),
    ],
)
def test_a_checkpoint_belongs_to_what_the_run_is_made_from(
    results, tmp_path, often, caplog, monkeypatch, change, named
):
    own = tmp_path / "results"
    shutil.copytree(results, own)
    stopped_run(opened(own), tmp_path)
    change(monkeypatch if change in (other_code, other_libraries) else own)
    resumed, fresh = opened(own), opened(own)
    resumed.train(tmp_path)
    fresh.train()
    assert resumed.progress.history == fresh.progress.history
    assert f"checkpoint.pt was written with another {named} than this run has; training starts anew" in caplog.text


@pytest.mark.parametrize(
    "cell",
    [
        Cell("quick", "mamba-130m", "lora@linear,rank=4", "glue-sst2", 0),
        Cell("quick", "mamba-130m", "lora@linear", "glue-sst2", 1),
        Cell("quick", "mamba2-130m", "lora@linear", "glue-sst2", 0),
    ],
)
def test_runs_of_other_cells_have_other_inputs(results, cell):
    assert open_run(cell, results, {"steps": STEPS}).inputs != opened(results).inputs


@pytest.mark.parametrize("damage", [*DAMAGES, "a folder"])
def test_a_damaged_checkpoint_is_said_to_be_so_and_training_starts_anew(results, tmp_path, often, caplog, damage):
    run, path = opened(results), tmp_path / "checkpoint.pt"
    stopped_run(run, tmp_path)
    if damage == "a folder":
        path.unlink()
        path.mkdir()
        (path / "file").touch()
    else:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert Checkpoint(path, run.inputs).load() is None
    assert f"{path} is damaged; training starts anew" in caplog.text
    # it is in nobody's way
    stopped_run(opened(results), tmp_path)
    assert Checkpoint(path, run.inputs).load()["step"] == 8


def test_forgetting_a_failed_cell_forgets_its_checkpoint(tmp_path, capsys):
    folder = tmp_path / "quick/cells/mamba-130m/lora/dart/seed0"
    failed = {"type": "Diverged", "message": "the loss is nan"}
    cell = "quick/mamba-130m/lora/dart/seed0"
    made_by = {"results_version": RESULTS_VERSION}
    document = {"schema": 1, "status": "failed", "error": failed, "cell": cell, "made_by": made_by}
    write_metrics(folder / "metrics.json", document)
    (folder / "checkpoint.pt").write_bytes(b"of a run that diverges")
    assert not main(["forget-failed", "--results", str(tmp_path)])
    assert not list(folder.iterdir()) and "forgot" in capsys.readouterr().out


def test_a_run_is_the_same_twice(results):
    first, second = opened(results), opened(results)
    first.train()
    second.train()
    assert first.progress.history == second.progress.history


def test_divergence_is_an_error_that_names_the_learning_rate(results):
    run = opened(results, "full", learning_rate=1e30)
    with pytest.raises(Diverged, match=r"loss is (nan|inf) at step \d+; lower the learning rate \(it is 1e\+30\)"):
        run.train()


def test_bf16_stays_near_fp32(results):
    exact, mixed = opened(results), opened(results, precision="bf16")
    exact.train()
    mixed.train()
    losses = [run.progress.history[-1]["train_loss"] for run in (exact, mixed)]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)


@pytest.mark.parametrize("length", [{}, {"steps": None, "epochs": 2}])
def test_too_few_examples_for_a_batch(results, length):
    run = opened(results, train_examples=8, **length)
    with pytest.raises(ValueError, match="8 training examples do not fill a batch of 16"):
        run.train()


def test_a_missing_checkpoint_says_how_to_make_it(results):
    with pytest.raises(FileNotFoundError, match="models/mamba-2.8b/model.json is missing; make it with: snakemake"):
        open_run(Cell("quick", "mamba-2.8b", "full", "dart", 0), results)


def test_the_learning_rate_decays_linearly_to_zero():
    from ssmpeft_lib.training.loop import Trainer

    parameter = torch.nn.Parameter(torch.zeros(1))
    recipe = Recipe(learning_rate=0.5, precision="fp32")
    trainer = Trainer([{"params": [parameter], "lr": 0.5}], recipe, total_steps=4)
    rates = []
    for _ in range(4):
        trainer.take(lambda: (parameter - 1).square().sum())
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates == [0.5, 0.375, 0.25, 0.125]


def test_a_long_training_logs_where_it_stands_once_a_minute(monkeypatch, caplog):
    clock = iter([0.0, 30.0, 60.0, 70.0, 120.0])
    monkeypatch.setattr(progress_log, "monotonic", lambda: next(clock))
    log = progress_log.ProgressLog("a cell", 1000, first_step=100)
    with caplog.at_level("INFO", "ssmpeft_lib"):
        log.step(150, 2.0)
        log.step(200, 1.5)
        log.step(201, 1.4)
        log.step(300, 1.25, 71.24)
    assert caplog.messages == [
        "a cell: step 200 of 1,000, loss 1.5, about 0:08:00 left",
        "a cell: step 300 of 1,000, loss 1.25, best validation score 71.2, about 0:07:00 left",
    ]
