"""The gates of scale real: what they make of scores, on invented results of both outcomes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from reference import REPOSITORY

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

import real_signal as signal  # noqa: E402

from ssmpeft_lib.plan.results import RESULTS_VERSION, write_json, write_metrics  # noqa: E402

GOOD = {"pretrained": 49.0, "full": 80.0, signal.LORA: 78.0, "prompt": 60.0, "random": 55.0, "bits": 1.2}
SHARES = {name: [50.0, 50.0] for name in signal.GLUE}


def scores(given: dict[str, float], lora: float | None = None) -> signal.Scores:
    found = {}
    for cell in signal.cells(range(3)):
        value = given["prompt"] if cell.method.startswith("prompt") else given[cell.method]
        value = lora if lora is not None and cell.method == signal.LORA else value
        among = {"matthews": 0.0} if cell.dataset == "glue-cola" else {"accuracy": value}
        found.setdefault((cell.method, cell.dataset), []).append({"score": value, "among_labels": among})
    return signal.Scores(found)


def judged(**changed: float) -> dict[str, bool]:
    given = GOOD | changed
    about = {"held_out": {"bits_per_byte": given["bits"]}, "ngrams": {"bits_per_byte": 1.5}}
    found = signal.gates(scores(given), scores(given, lora=given["random"]), about, SHARES)
    return {gate["what"]: gate["met"] for gate in found}


def test_a_good_model_passes_every_gate():
    assert all(judged().values()) and len(judged()) == 6


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({"bits": 1.3}, ["bits per byte below the 5-gram model's, %"]),
        ({"full": 74.9}, ["SST-2: full fine-tuning"]),
        ({"full": 19.0}, ["SST-2: full fine-tuning", "DART: BLEU of full fine-tuning"]),
        ({"pretrained": 44.0}, ["GLUE: unadapted, off chance"]),
        ({"pretrained": 56.0}, ["GLUE: unadapted, off chance"]),
        ({"random": 71.0}, ["SST-2: LoRA, pretrained minus random weights"]),
        ({"prompt": 74.0}, ["LoRA minus prompt tuning, mean over data sets"]),
    ],
)
def test_each_gate_can_be_missed(changed, missed):
    assert [what for what, met in judged(**changed).items() if not met] == missed


def test_a_gate_on_its_threshold_is_passed():
    assert all(judged(bits=1.275, full=75.0, random=70.0, prompt=73.0, pretrained=45.0).values())


def test_what_ignores_the_input_is_at_chance_whatever_label_it_says():
    assert signal.off_chance("accuracy", 68, [32, 68]) == signal.off_chance("accuracy", 33, [32, 68]) == 0
    assert signal.off_chance("accuracy", 75, [32, 68]) == 7 and signal.off_chance("matthews", 0, [30, 70]) == 0
    assert signal.off_chance("matthews", 6, [30, 70]) == signal.off_chance("matthews", -6, [30, 70]) == 6


def test_what_did_not_run_is_not_measured_and_no_gate_is_passed_by_it():
    found = signal.gates(signal.Scores({}), signal.Scores({}), {}, {})
    assert [gate["value"] for gate in found] == [None] * 6 and not any(gate["met"] for gate in found)


def write_results(folder: Path, given: dict[str, float]) -> Path:
    """Results of all cells that the gates read, with those of random weights, and a checkpoint's model.json."""
    for root, lora in ((folder, None), (folder / signal.RANDOM, given["random"])):
        found = scores(given, lora).found
        for cell in signal.cells(range(3)):
            test = found[cell.method, cell.dataset][0]
            made_by = {"results_version": RESULTS_VERSION}
            empty = {"recipe": {}, "data": {}, "cost": {}, "history": [], "made_by": made_by}
            metrics = {"schema": 1, "status": "ok", "cell": str(cell), "val": test, "test": test, **empty}
            write_metrics(root / cell.path / "metrics.json", metrics)
            rows = [{"split": "test", "index": i, "answer": "", "references": [str(i % 2)]} for i in range(10)]
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (root / cell.path / "predictions.jsonl").write_text(lines, encoding="utf-8")
    about = {"held_out": {"bits_per_byte": given["bits"]}, "ngrams": {"bits_per_byte": 1.5}}
    write_json(folder / "checkpoints" / signal.MODEL / "model.json", about)
    return folder


@pytest.mark.parametrize(("changed", "code"), [({}, 0), ({"full": 60.0}, 1)])
def test_the_command_prints_every_gate_and_ends_with_what_came_of_them(tmp_path, changed, code):
    results = write_results(tmp_path, GOOD | changed)
    script, output = REPOSITORY / "benchmarks" / "real_signal.py", tmp_path / "out.json"
    command = [sys.executable, str(script), "--results", str(results), "--checkpoints", str(results / "checkpoints")]
    done = subprocess.run([*command, "--output", str(output)], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout.count("met") == 6 - code and done.stdout.count("MISSED") == code
    assert len(json.loads(output.read_text(encoding="utf-8"))["gates"]) == 6
