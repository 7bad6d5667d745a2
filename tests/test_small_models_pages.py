"""The pages of scale real: what they show of recorded answers, gates and checkpoints, and what is missing."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_results import fake_results
from reference import REPOSITORY
from test_real_protocol import PROTOCOL, WORKFLOW, by_name, write

from ssmpeft_lib.book.documents import Book
from ssmpeft_lib.book.exhibit_page import exhibit_csv, exhibit_page
from ssmpeft_lib.book.insert import with_pieces
from ssmpeft_lib.book.notice import Notice
from ssmpeft_lib.book.pieces import answers, gates, pretraining
from ssmpeft_lib.compare.join import exhibit_document
from ssmpeft_lib.drawing.numbers import grouped
from ssmpeft_lib.plan.archive import pack
from ssmpeft_lib.plan.config import Config
from ssmpeft_lib.plan.exhibit import load_exhibits
from ssmpeft_lib.plan.results import write_json
from ssmpeft_lib.plan.snakemake.exhibits import ExhibitRules

PAGES = REPOSITORY / "book"


@pytest.fixture
def recorded(tmp_path, monkeypatch) -> Path:
    """An empty folder of recorded results, where the pieces look."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    monkeypatch.setattr(answers, "RECORDED", folder / "answers.json")
    monkeypatch.setattr(gates, "RECORDED", folder / "real_signal.json")
    monkeypatch.setattr(pretraining, "RECORDED", folder / "checkpoints")
    return folder


def page(name: str, tmp_path: Path) -> str:
    path = PAGES / f"{name}.md"
    return with_pieces(path.read_text(encoding="utf-8"), Book("quick", tmp_path, PAGES, joined=[]), name, path)


def test_both_pages_say_that_nothing_was_run(recorded, tmp_path):
    small, pretrained = page("small-models", tmp_path), page("pretraining", tmp_path)
    assert small.count("Not run yet") == 2 and "Not run yet" in pretrained
    assert "chip holds" not in small + pretrained and "15 % fewer" in small
    for number in range(1, 8):
        assert f"{number}. " in small


def test_the_page_counts_what_is_planned():
    config = Config.load(PROTOCOL, data_dir=REPOSITORY)
    every = config.every_cell(load_exhibits(WORKFLOW / "exhibits", config.exhibits))
    planned = {cell.path.parent for cell in every if config.wants(cell)}
    assert f"{len(planned)} combinations" in (PAGES / "small-models.md").read_text(encoding="utf-8")


def test_the_answers_of_an_archive_fill_the_page(recorded, tmp_path, capsys):
    from ssmpeft_lib.__main__ import main

    config = Config.load(PROTOCOL, data_dir=REPOSITORY)
    results = tmp_path / "results"
    for cell in config.every_cell(load_exhibits(WORKFLOW / "exhibits", config.exhibits)):
        if cell.model == "mamba-130m" and config.wants(cell):
            write(results, cell, by_name(cell))
    pack(results, "real", recorded / "real.tar.gz")
    assert main(["answers", str(recorded / "real.tar.gz"), "--output", str(recorded / "answers.json")]) == 0
    printed = capsys.readouterr().out
    assert "1. Finding 1" in printed and "holds" in printed and "like for like? (without it) not run yet" in printed
    shown = page("small-models", tmp_path)
    assert '<span class="chip holds">yes</span>' in shown and "no difference" in shown
    assert shown.count('<span class="chip open">not run yet</span>') == 2
    first = json.loads((recorded / "answers.json").read_text(encoding="utf-8"))["questions"][0]["answers"][0]
    assert f"+{first['mean']:.1f}" in shown and "glue-mnli" in shown and "what was compared" in shown


@pytest.mark.parametrize(
    ("value", "met", "word"), [(80.0, True, "met"), (70.0, False, "missed"), (None, False, "not run yet")]
)
def test_gates_are_shown_as_they_were_measured(recorded, tmp_path, value, met, word):
    gate = {
        "what": "SST-2: full fine-tuning",
        "value": value,
        "asked": ">= 75",
        "met": met,
        "detail": "of <three> seeds",
    }
    write_json(recorded / "real_signal.json", {"model": "mamba-130m", "seeds": 3, "gates": [gate]})
    shown = page("small-models", tmp_path)
    assert f">{word}</span>" in shown and "of &lt;three&gt; seeds" in shown
    assert ("All are met." in shown) == met


def about(bits: float) -> dict:
    """What `write-checkpoint` says of a model, with invented numbers."""
    history = [
        {"step": 10 * n, "loss": 9 - n / 10} | ({"held_out_loss": 9 - n / 11} if n % 4 == 0 else {})
        for n in range(1, 41)
    ]
    return {
        "model": "mamba-130m",
        "parameters": 5601536,
        "tokens": 80_000_000,
        "steps": 400,
        "hours": 7.5,
        "speed": {"training": 2800, "products_alone": 5600},
        "held_out": {"documents": 12, "bytes": 34567, "loss": 3.21, "bits_per_byte": bits},
        "ngrams": {"order": 5, "bits_per_byte": 1.5},
        "history": history,
        "samples": [{"prompt": "The old house", "answer": " stood <b>there"}],
        "made_by": {"device": "a processor", "libraries": {"torch": "2.13.0"}},
    }


def test_a_checkpoint_fills_the_page_of_pretraining(recorded, tmp_path):
    write_json(recorded / "checkpoints" / "mamba-130m" / "model.json", about(1.2))
    shown = page("pretraining", tmp_path)
    assert "Not run yet" not in shown and shown.count("<svg") == 2
    for text in (
        grouped(5601536),
        grouped(80_000_000),
        f"{grouped(2800)}, 50",
        "1.200",
        "1.500",
        "20.0",
        "stood &lt;b&gt;there",
    ):
        assert text in shown, text


def test_a_model_worse_than_the_ngrams_is_shown_as_such(recorded, tmp_path):
    write_json(recorded / "checkpoints" / "mamba-130m" / "model.json", about(1.8))
    assert "−20.0" in page("pretraining", tmp_path).replace("-20.0", "−20.0")


@pytest.fixture(scope="module")
def lanes(tmp_path_factory) -> dict[str, dict]:
    """Table 8 at scale quick, with and without recorded runs of small models, in which one method is missing."""
    folder = tmp_path_factory.mktemp("lanes")
    fake_results(folder / "real", ["table08"], scale="real", seeds=3, missing=["bitfit"])
    (table,) = fake_results(folder / "results", ["table08"], scale="quick", seeds=1)
    shares = json.loads((folder / "results" / "shares.json").read_text(encoding="utf-8"))
    given = {"with": folder / "real", "without": folder / "nothing"}
    return {
        name: exhibit_document(table, "quick", range(1), folder / "results", shares, small=small)
        for name, small in given.items()
    }


def shown(document: dict) -> str:
    return str(exhibit_page(document, "in miniature", lambda name: None, Notice("quick")))


def test_small_models_are_a_lane_of_their_own(lanes):
    document = lanes["with"]
    points = {(row["name"], point["metric"]): point for row in document["rows"] for point in row["points"]}
    full = points["Everything / Full", "val.bleu"]
    assert len(full["small"]["by_seed"]) == 3 and full["small"]["mean"] != full["ours"]["mean"]
    assert "small" not in points["Biases / BitFit conv1d, dt_proj", "val.bleu"]
    text = shown(document)
    assert f"{full['small']['mean']:.1f}" in text and 'data-key="small"' in text
    assert "small models were not run here" in text and "Printed against small models" in text
    verdicts = {lane for claim in document["claims"] for lane in claim["lanes"]}
    assert verdicts == {"printed", "small", "counted"} and '<span class="whose">small models</span>' in text


def test_small_models_are_in_the_csv(lanes):
    rows = list(csv.DictReader(io.StringIO(exhibit_csv(lanes["with"]))))
    full = next(row for row in rows if row["method"] == "full" and row["metric"] == "val.bleu")
    assert full["small"] and full["small_seeds"] == "3" and full["scale"] == "quick"


def test_without_recorded_runs_there_is_no_such_lane(lanes):
    text = shown(lanes["without"])
    assert "small models" not in text and 'data-key="small"' not in text
    assert not any(row["small"] for row in csv.DictReader(io.StringIO(exhibit_csv(lanes["without"]))))


def test_where_small_models_are_what_is_shown_they_are_no_second_lane(lanes, tmp_path):
    (table,) = fake_results(tmp_path, ["table08"], scale="real", seeds=1)
    document = exhibit_document(table, "real", range(1), tmp_path, {}, small=tmp_path)
    assert not any("small" in point for row in document["rows"] for point in row["points"])


@pytest.mark.parametrize("there", [True, False])
def test_the_archive_is_unpacked_where_there_is_one(tmp_path, there):
    config = Config.load(REPOSITORY / "config.yaml")
    (tmp_path / "recorded").mkdir()
    if there:
        (tmp_path / "recorded" / "real.tar.gz").touch()
    rules = ExhibitRules(config, tmp_path)
    assert rules.small_models(SimpleNamespace(scale="quick")) == (["results/recorded/unpacked"] if there else [])
    assert rules.small_models(SimpleNamespace(scale="real")) == []
