"""Packing and unpacking results: nothing is lost, nothing is mixed, nothing lands outside."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from reference import REPOSITORY

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.plan.archive import pack, unpack
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.results import RESULTS_VERSION, write_metrics

NOW, NEXT = RESULTS_VERSION, RESULTS_VERSION + 1
CELLS = [Cell("quick", "mamba-130m", method, "dart", seed) for method in ("lora@out_proj", "full") for seed in (0, 1)]


def write_cell(results: Path, cell: Cell, version: int = RESULTS_VERSION, note: str = "") -> None:
    folder = results / cell.path
    metrics = {"schema": 1, "cell": str(cell), "made_by": {"results_version": version}}
    error = {"type": "ValueError", "message": note}
    write_metrics(folder / "metrics.json", metrics | {"status": "failed", "error": error})
    (folder / "cell.ipynb").write_text(json.dumps({"cells": [str(cell)]}), encoding="utf-8")
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_model.safetensors").write_text("large", encoding="utf-8")


@pytest.fixture
def results(tmp_path) -> Path:
    for cell in CELLS:
        write_cell(tmp_path / "results", cell)
    return tmp_path / "results"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_packed_comes_out_and_adapters_stay(results, tmp_path, capsys):
    archive = tmp_path / "some where" / "quick.tar.gz"
    assert main(["pack", "--scale", "quick", "--results", str(results), str(archive)]) == 0
    assert main(["unpack", "--results", str(tmp_path / "other"), str(archive)]) == 0
    assert f"{len(CELLS)} cells" in capsys.readouterr().out
    kept = {name: data for name, data in contents(results).items() if "/adapter/" not in name}
    assert contents(tmp_path / "other") == kept and len(kept) == 2 * len(CELLS)


def test_equal_results_make_equal_archives(results, tmp_path):
    pack(results, "quick", tmp_path / "a.tar.gz")
    pack(results, "quick", tmp_path / "b.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def test_results_of_two_versions_are_not_packed(results, tmp_path):
    write_cell(results, Cell("quick", "mamba-130m", "bitfit", "dart", 0), version=NEXT)
    with pytest.raises(ValueError, match=rf"may not be mixed .*version {NOW}: .*version {NEXT}: .*bitfit/dart/seed0"):
        pack(results, "quick", tmp_path / "a.tar.gz")
    assert not list(tmp_path.glob("*.gz*"))


@pytest.mark.parametrize(
    "words", [("mamba-130m", "lora", "flip"), ("mamba-130m", "mine", "dart"), ("own", "lora", "dart")]
)
def test_results_of_what_was_taken_away_are_left_out_and_it_is_said(results, tmp_path, capsys, caplog, words):
    gone = Cell("quick", *words, 0)
    write_cell(results, gone)
    archive = tmp_path / "a.tar.gz"
    assert main(["pack", "--scale", "quick", "--results", str(results), str(archive)]) == 0
    assert f"{len(CELLS)} cells" in capsys.readouterr().out
    assert f"{gone.path} is left out: no " in caplog.text
    assert unpack(archive, tmp_path / "other") == sorted(CELLS)
    # they are nobody's to delete
    assert (results / gone.path / "metrics.json").exists()


def test_there_must_be_something_to_pack(tmp_path):
    with pytest.raises(ValueError, match="no results of scale 'paper' below"):
        pack(tmp_path, "paper", tmp_path / "a.tar.gz")


def test_results_of_another_version_than_the_codes_are_not_unpacked(tmp_path):
    write_cell(tmp_path / "old", CELLS[0], version=NEXT)
    pack(tmp_path / "old", "quick", tmp_path / "a.tar.gz")
    with pytest.raises(ValueError, match=f"are of version {NEXT}, this code makes version {NOW}"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "new")
    assert not contents(tmp_path / "new")


def test_results_are_not_mixed_with_those_that_are_there(results, tmp_path):
    pack(results, "quick", tmp_path / "a.tar.gz")
    write_cell(tmp_path / "new", Cell("quick", "mamba-130m", "bitfit", "dart", 0), version=NEXT)
    before = contents(tmp_path / "new")
    with pytest.raises(ValueError, match=f"are of version {NEXT}"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "new")
    assert contents(tmp_path / "new") == before


def test_another_result_of_a_cell_is_replaced_only_when_asked(results, tmp_path):
    pack(results, "quick", tmp_path / "a.tar.gz")
    write_cell(tmp_path / "new", CELLS[0], note="another")
    with pytest.raises(ValueError, match=r"seed0/metrics.json holds another result of that cell; say --replace"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "new")
    assert len(unpack(tmp_path / "a.tar.gz", tmp_path / "new", replace=True)) == len(CELLS)
    # and again without, for now they are the same
    unpack(tmp_path / "a.tar.gz", tmp_path / "new")


def test_a_replaced_cell_keeps_nothing_of_its_earlier_result(results, tmp_path):
    (results / CELLS[0].path / "predictions.jsonl").unlink(missing_ok=True)
    pack(results, "quick", tmp_path / "a.tar.gz")
    write_cell(tmp_path / "new", CELLS[0], note="another")
    stale = tmp_path / "new" / CELLS[0].path / "predictions.jsonl"
    stale.write_text("{}", encoding="utf-8")
    unpack(tmp_path / "a.tar.gz", tmp_path / "new", replace=True)
    assert not stale.exists()


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_cut_archive_leaves_nothing_behind(results, tmp_path, keep):
    pack(results, "quick", tmp_path / "a.tar.gz")
    data = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(data[: int(keep * len(data))])
    with pytest.raises(ValueError, match="damaged"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


def crafted(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], **manifest) -> Path:
    """An archive as `pack` would never write it."""
    files = {info.name: hashlib.sha256(data).hexdigest() for info, data in members}
    text = json.dumps({"format": 1, "results_version": RESULTS_VERSION, "files": files} | manifest).encode()
    with gzip.open(path, "wb") as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for info, data in [(tarfile.TarInfo("manifest.json"), text), *members]:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../outside/metrics.json",
        "/etc/metrics.json",
        "quick/cells/mamba-130m/lora/dart/seed0/../../../../../../metrics.json",
        "quick/cells/../mamba-130m/lora/dart/seed0/metrics.json",
        "quick/cells/mamba-130m/lora/dart/seed00/metrics.json",
        "quick/cells/mamba-130m/lora/dart/seed0/adapter/adapter_model.safetensors",
        "quick/models/mamba-130m/model.json",
        "large/cells/mamba-130m/lora/dart/seed0/metrics.json",
        "quick/cells/mamba-131m/lora/dart/seed0/metrics.json",
    ],
)
def test_only_files_of_cells_are_unpacked(tmp_path, name):
    archive = crafted(tmp_path / "a.tar.gz", [(tarfile.TarInfo(name), b"{}")])
    with pytest.raises(ValueError, match=r"is not the name of a cell's file( \(.*\))?; nothing was unpacked"):
        unpack(archive, tmp_path / "new" / "results")
    assert list(contents(tmp_path)) == ["a.tar.gz"]


def test_a_link_is_not_unpacked(tmp_path):
    link = tarfile.TarInfo("quick/cells/mamba-130m/lora/dart/seed0/metrics.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    archive = crafted(tmp_path / "a.tar.gz", [(link, b"")])
    with pytest.raises(ValueError, match="is not a file that the manifest lists"):
        unpack(archive, tmp_path / "new")


def test_a_changed_file_is_found(tmp_path):
    name = "quick/cells/mamba-130m/lora/dart/seed0/metrics.json"
    archive = crafted(tmp_path / "a.tar.gz", [(tarfile.TarInfo(name), b"{}")], files={name: 64 * "0"})
    with pytest.raises(ValueError, match=f"the checksum of {name} is wrong"):
        unpack(archive, tmp_path / "new")


def test_a_result_in_the_folder_of_another_cell_is_refused(results, tmp_path):
    first, second = (results / cell.path for cell in CELLS[:2])
    (first / "metrics.json").write_bytes((second / "metrics.json").read_bytes())
    with pytest.raises(ValueError, match="says that it is the result of .*seed1, and lies in the folder of .*seed0"):
        pack(results, "quick", tmp_path / "a.tar.gz")


def test_other_formats_and_other_files_are_named(tmp_path):
    newer = crafted(tmp_path / "a.tar.gz", [], format=2)
    with pytest.raises(ValueError, match="has format 2, this code reads format 1"):
        unpack(newer, tmp_path / "new")
    (tmp_path / "text").write_text("no archive", encoding="utf-8")
    with pytest.raises(ValueError, match="damaged, or not an archive of results"):
        unpack(tmp_path / "text", tmp_path / "new")
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "nothing", tmp_path / "new")


TEXT = "She sells sea shells."


def write_quoting_cell(results: Path, dataset: str) -> Cell:
    """A cell whose notebook and predictions hold texts of its data set."""
    cell = Cell("real", "mamba-130m", "full", dataset, 0)
    write_cell(results, cell, note="seen by no one")
    label = "1" if dataset.startswith("glue") else TEXT
    row = {"split": "test", "index": 0, "input": TEXT, "answer": "of the model", "references": [label]}
    (results / cell.path / "predictions.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    shown = {"output_type": "display_data", "data": {"text/html": TEXT}}
    cells = [
        {"cell_type": "code", "metadata": {"tags": ["quotes"]}, "source": "answers", "outputs": [shown]},
        {"cell_type": "code", "metadata": {}, "source": "scores", "outputs": [{"output_type": "stream", "text": "90"}]},
        {"cell_type": "code", "metadata": {}, "source": "x", "outputs": [{"output_type": "error", "evalue": TEXT}]},
    ]
    (results / cell.path / "cell.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return cell


@pytest.mark.parametrize(
    ("dataset", "texts", "references"),
    [("dart", True, True), ("glue-qnli", True, True), ("glue-rte", False, True), ("spider", False, False)],
)
def test_texts_go_out_only_where_they_may(tmp_path, dataset, texts, references):
    cell = write_quoting_cell(tmp_path / "results", dataset)
    pack(tmp_path / "results", "real", tmp_path / "real.tar.gz", without_texts=True)
    unpack(tmp_path / "real.tar.gz", tmp_path / "other")
    folder = tmp_path / "other" / cell.path
    notebook = (folder / "cell.ipynb").read_text(encoding="utf-8")
    predictions = (folder / "predictions.jsonl").read_text(encoding="utf-8")
    assert (TEXT in notebook, "references" in predictions) == (texts, references)
    assert ("input" in predictions) == (TEXT in predictions) == texts
    assert "of the model" in predictions and '"90"' in notebook
    assert texts or "The texts of this data set are left out" in notebook


def test_the_cells_that_quote_are_tagged_in_the_notebook_of_a_cell():
    text = (REPOSITORY / "notebooks" / "cell.md").read_text(encoding="utf-8")
    for call in ("report.serialised(run)", "report.answers(run)"):
        assert f":tags: [quotes]\n{call}" in text


def test_whoever_carries_results_keeps_their_texts(tmp_path):
    cell = write_quoting_cell(tmp_path / "results", "glue-rte")
    pack(tmp_path / "results", "real", tmp_path / "real.tar.gz")
    unpack(tmp_path / "real.tar.gz", tmp_path / "other")
    assert (
        contents(tmp_path / "other" / cell.path)["cell.ipynb"]
        == contents(tmp_path / "results" / cell.path)["cell.ipynb"]
    )
