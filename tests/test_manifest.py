"""Prepared files that are missing or damaged are named, made again as they were, and never used."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest
from damages import DAMAGES

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.plan import manifest, paths
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.manifest import NotPrepared
from ssmpeft_lib.runs.open import open_run

CELL = Cell("quick", "mamba-130m", "bitfit", "spider", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A working directory as the pipeline leaves it (tokenizer, model, data with databases), and a copy of it."""
    folder = tmp_path_factory.mktemp("made") / "work"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tokenizer = "results/quick/tokenizers/stand-in/tokenizer.json"
        given = ["--tokenizer", tokenizer]
        assert not main(["prepare-tokenizer", "quick", "stand-in", "--output", tokenizer])
        assert not main(
            ["prepare-model", "quick", "mamba-130m", "--steps", "1", *given]
            + ["--output", "results/quick/models/mamba-130m/model.json"]
        )
        assert not main(
            ["prepare-data", "quick", "spider", *given, "--output", "results/quick/data/stand-in/spider.json"]
        )
    return folder, shutil.copytree(folder, folder.with_name("copy"))


@pytest.fixture
def here(made, monkeypatch):
    """The results directory, whole again for each test; the working directory is the folder above."""
    folder, copy = made
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return folder / "results"


def kinds(results):
    """One prepared file of every kind."""
    quick = results / "quick"
    return {
        "tokenizer": quick / "tokenizers/stand-in/tokenizer.json",
        "weights": quick / "models/mamba-130m/weights/model.safetensors",
        "config": quick / "models/mamba-130m/weights/config.json",
        "token ids": quick / "data/stand-in/spider/train.input_ids.npy",
        "texts": quick / "data/stand-in/spider/test.jsonl",
        "spans": quick / "data/stand-in/spider/test.label_spans.npy",
        "database": next(quick.glob("data/stand-in/miniatures/*/**/*.sqlite")),
    }


KINDS = ("tokenizer", "weights", "config", "token ids", "texts", "spans", "database")
FAULTS = {name: DAMAGES[name] for name in ("empty", "cut in half", "a tail of zeros", "one bit flipped")}


def contents(results):
    return {
        path.relative_to(results): path.read_bytes()
        for path in results.rglob("*")
        if path.is_file() and path.name not in ("pretraining.json",) and path.suffix != ".lock"
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [*FAULTS, "deleted"])
def test_a_run_refuses_a_damaged_file_and_names_it(here, kind, fault):
    path = kinds(here)[kind]
    path.write_bytes(FAULTS[fault](path.read_bytes())) if fault in FAULTS else path.unlink()
    with pytest.raises(NotPrepared, match=f"{path.name} is (damaged|missing).*snakemake --cores all --force"):
        open_run(CELL, here)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_made_again_as_it_was_and_nothing_becomes_newer(here, kind, caplog):
    before, path = contents(here), kinds(here)[kind]
    asked = [here / name for name in paths.prepared(CELL.scale, CELL.model, CELL.dataset)]
    times = [one.stat().st_mtime_ns for one in asked]
    path.write_bytes(FAULTS["one bit flipped"](path.read_bytes()))
    for one in asked:
        manifest.ensure(one)
    assert path.name in caplog.text and "it is made again" in caplog.text
    assert contents(here) == before
    assert [one.stat().st_mtime_ns for one in asked] == times
    open_run(CELL, here)


def test_the_commands_have_damaged_inputs_made_again_first(here, monkeypatch):
    before, path = contents(here), kinds(here)["tokenizer"]
    path.write_bytes(path.read_bytes()[:-100])
    words = ["--tokenizer", "results/quick/tokenizers/stand-in/tokenizer.json"]
    assert not main(["prepare-data", "quick", "spider", *words, "--output", "results/quick/data/stand-in/spider.json"])
    assert contents(here) == before


@pytest.mark.parametrize("fault", [*FAULTS, "deep", "a folder"])
def test_a_damaged_manifest_is_removed_so_that_the_next_run_makes_it(here, fault):
    path = here / "quick/models/mamba-130m/model.json"
    if fault == "a folder":
        path.unlink()
        path.mkdir()
    else:
        damage = FAULTS.get(fault, lambda data: b"[" * 100_000)
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(NotPrepared, match="model.json is damaged: .*; make it again with"):
        manifest.read(path)
    with pytest.raises(NotPrepared, match="model.json is damaged: .*removed, so that the same command as before"):
        manifest.ensure(path)
    assert not path.exists()


def test_a_cell_whose_inputs_cannot_be_made_again_has_no_result(here, capsys):
    (here / "quick/models/mamba-130m/model.json").write_text("{}", encoding="utf-8")
    output = here / CELL.path / "cell.ipynb"
    words = ["--notebook", "none.ipynb", "--output", str(output)]
    assert main(["run-cell", str(CELL), *words]) == 1
    assert "model.json is damaged" in capsys.readouterr().err
    assert not output.parent.exists() or not list(output.parent.iterdir())


@pytest.mark.parametrize(
    "command", [[], ["pack", "--output", "results/x"], ["prepare-data", "quick", "dart", "--output", "/tmp/other.json"]]
)
def test_a_manifest_can_have_nothing_run_but_what_makes_its_own_files(tmp_path, command):
    path = tmp_path / "one.json"
    (tmp_path / "file").write_text("a", encoding="utf-8")
    manifest.write(path, {}, [tmp_path / "file"], command)
    (tmp_path / "file").write_text("b", encoding="utf-8")
    with pytest.raises(NotPrepared, match="does not say how it was made"):
        manifest.ensure(path)


def test_files_that_come_out_otherwise_make_the_manifest_newer_and_are_said_to_be_others(here, caplog):
    path = here / "quick/data/stand-in/spider.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    files = [path.parent / name for name in document["files"]]
    # as an older version of the code would have written it
    texts = next(file for file in files if file.name == "test.jsonl")
    texts.write_text(texts.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    about = {key: value for key, value in document.items() if key not in ("files", "command", "sealed")}
    manifest.write(path, about, files, document["command"])
    before = path.stat().st_mtime_ns
    files[0].unlink()
    manifest.ensure(path)
    assert path.stat().st_mtime_ns > before and "the next run makes anew what was made from it" in caplog.text
