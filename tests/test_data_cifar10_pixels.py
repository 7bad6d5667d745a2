"""Images as sequences of grey values: the original's files, the digits in their place, and what a network learns."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from reference import REPOSITORY

from ssmpeft_lib.adapters.api import adapt, count, parameter_groups
from ssmpeft_lib.adapters.method import build_method
from ssmpeft_lib.data import _encode as encode
from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data import cifar10_pixels
from ssmpeft_lib.models import s4
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.exhibit import Exhibit
from ssmpeft_lib.runs.open import open_run
from ssmpeft_lib.stand_ins.pretrain_on_data import pretrain_on_data
from ssmpeft_lib.training.recipe import recipe_for

torch.set_num_threads(1)
NAME = "cifar10-pixels"


def write_cifar10(folder, count=10):
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        images = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        content = {b"data": images, b"labels": rng.integers(0, 10, count).tolist()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return images, content[b"labels"]


def test_original_files_become_1024_grey_values_as_pillow_has_them(tmp_path):
    images, labels = write_cifar10(tmp_path / "cifar10")
    source = sources.find(NAME, "real", tmp_path)
    data = encode.prepare(NAME, source, None, tmp_path / "encoded")
    assert data.description["sizes"] == {"train": 45, "val": 5, "test": 10}
    assert data.description["source"] == "files" and data.description["max_seq_len"] == 1025
    assert data.description["splits"]["val"] == "a tenth of train"
    picture = Image.fromarray(images[3].reshape(3, 32, 32).transpose(1, 2, 0)).convert("L")
    np.testing.assert_array_equal(data.splits["test"].input_ids(3), np.asarray(picture).reshape(-1))
    assert [int(data.splits["test"].label_ids(i)[0]) for i in range(10)] == labels


def test_normalised_as_in_the_authors_script():
    values = np.array([0, 122, 255], dtype=np.uint8)
    expected = (values / 255 - 122.6 / 255) / (61.0 / 255)
    np.testing.assert_allclose(cifar10_pixels.normalised(values), expected, atol=1e-6)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    return encode.prepare(NAME, sources.find(NAME, "quick", miniatures=folder / "miniatures"), None, folder / "encoded")


def test_digits_are_those_of_scikit_learn_and_are_called_so(digits):
    from sklearn.datasets import load_digits

    assert "digits" in digits.description["source"]
    known = {np.round(image * 255 / 16).astype(np.uint8).tobytes() for image in load_digits().images}
    found = [split.input_ids(i).tobytes() for split in digits.splits.values() for i in range(len(split))]
    assert len(found) == 1797 and set(found) == known


@pytest.fixture(scope="module")
def results(digits, tmp_path_factory):
    """A results folder with the prepared data and a network that was pretrained for two steps."""
    from ssmpeft_lib.plan import manifest

    folder = tmp_path_factory.mktemp("results")
    data = folder / "quick" / "data" / "none" / f"{NAME}.json"
    shutil.copytree(digits.folder, data.with_suffix(""))
    manifest.write(data, {"dataset": NAME, **digits.description}, data.with_suffix("").iterdir())
    about = pretrain_on_data("s4-deep", "quick", data, folder / "quick" / "models" / "s4-deep", steps=2)
    assert about["data"]["miniature"] and len(about["history"]) == 1
    return folder


def methods_of_table_4():
    rows = Exhibit.load(REPOSITORY / "workflow" / "exhibits" / "table04.yaml").rows
    return [row["method"] for row in rows]


@pytest.mark.parametrize("method", methods_of_table_4())
def test_every_row_of_table_4_runs_as_a_cell(results, method, tmp_path):
    cell = Cell("quick", "s4-deep", method, NAME, 0)
    overrides = {"steps": 2, "batch_size": 4, "selection_steps": 1, "evaluations": 1, "eval_examples": 8}
    run = open_run(cell, results, overrides)
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    adapt(run.model, run.method)
    run.train()
    assert 0 <= run.score("test")["accuracy"] <= 100
    assert len(run.problem.serialised(0)[0].split()) > 30 and run.problem.serialised(0)[1] in "0123456789"
    metrics = run.metrics()
    assert metrics["cost"]["trainable"] == count(run.model)["trainable"] and "train_seconds" in metrics["cost"]
    if method.startswith("lora@output_linear,"):
        kept = [name for name in before if "kernel" in name]
        after = run.model.state_dict()
        assert kept and all(torch.equal(before[name], after[name]) for name in kept if name in after)


def test_overrides_of_the_data_set_shape_the_recipe(digits):
    for scale, batch in (("paper", 64), ("quick", 32)):
        cell = Cell(scale, "s4-deep", "full", NAME, 0)
        recipe = recipe_for(cell, build_method("full"), digits.task, {})
        assert (recipe.learning_rate, recipe.batch_size, recipe.precision) == (5e-3, batch, "fp32")
    cell = Cell("paper", "s4-deep", "pretrained", NAME, 0)
    assert recipe_for(cell, build_method("pretrained"), digits.task, {}).learning_rate == 0


@pytest.mark.slow
def test_thirty_steps_on_digits_learn_something(results):
    run = open_run(
        Cell("quick", "s4-deep", "full", NAME, 0),
        results,
        {"steps": 30, "warmup_steps": 0, "learning_rate": 1e-2, "evaluations": 1},
    )
    adapt(run.model, run.method)
    assert parameter_groups(run.model, 1.0)
    run.train()
    run.score("test")
    assert run.scores["test"]["accuracy"] > 20


def test_weights_of_another_size_are_refused(tmp_path):
    s4.save(s4.build(**(s4.MODELS["s4-deep"]["config"] | {"d_model": 8})), tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch"):
        s4.load("s4-deep", tmp_path)
