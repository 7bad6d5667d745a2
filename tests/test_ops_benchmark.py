"""The benchmark of the kernels: what it makes of measured times, and that its lines are well-formed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from ssmpeft_lib.compare.results import Results
from ssmpeft_lib.ops import backends
from ssmpeft_lib.plan.exhibit import load_exhibits
from ssmpeft_lib.plan.results import read_metrics

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

import device  # noqa: E402
import gpu_batching  # noqa: E402
import gpu_scan  # noqa: E402
import gpu_steps  # noqa: E402
import gpu_tables  # noqa: E402
import kernel_ops  # noqa: E402
import kernels  # noqa: E402
import paired  # noqa: E402

pytestmark = pytest.mark.slow


def test_a_line_is_the_median_of_ratios_by_round():
    line = paired.Line("theirs against ours", lambda: (), ">= 3")
    row = paired.summary(line, {"theirs": [10.0, 40.0, 9.0], "ours": [2.0, 10.0, 3.0]})
    assert row["ratio"] == {"median": 4.0, "quartiles": [3.5, 4.5]}
    assert row["met"] is True and row["rounds"] == 3
    assert row["medians"] == {"theirs": 10.0, "ours": 3.0}
    assert paired.summary(line, {"theirs": [2.0], "ours": [1.0]})["met"] is False


def test_a_line_is_put_among_those_of_other_runs(tmp_path):
    output, (first, second, *_) = tmp_path / "kernels.json", kernels.LINES
    kernels.add(output, {"commit": "a"}, second, {"what": "old"})
    kernels.add(output, {"commit": "b"}, first, {"what": "new"})
    written = json.loads(output.read_text(encoding="utf-8"))
    assert [(name, row["what"], row["commit"]) for name, row in written["lines"].items()] == [
        (first, "new", "b"),
        (second, "old", "a"),
    ]


def test_variants_take_turns_after_a_warm_up():
    calls = []
    variants = [paired.Variant(name, lambda name=name: calls.append(name), units=2.0) for name in ("a", "b")]
    measured = paired.times(paired.Line("", lambda: variants), rounds=2)
    assert calls == ["a", "b"] * 3
    assert [len(values) for values in measured.values()] == [2, 2]


@pytest.mark.parametrize("name", kernels.LINES)
def test_goals_can_be_judged(name):
    line = kernels.LINES[name]
    assert line.allocator in paired.ALLOCATORS
    assert paired._met(line.goal, 1.0) in ((None,) if not line.goal else (True, False))


def test_both_sides_of_a_line_compute_the_same_gradients():
    theirs, ours = kernel_ops.conv(1, 5)()
    for got, expected in zip(ours.run(), theirs.run(), strict=True):
        assert (got - expected).abs().max() < 1e-5


def test_peak_memory_counts_what_is_held(tmp_path):
    line = paired.Line("", lambda: [paired.Variant("allocates", lambda: bytearray(64 << 20).count(0))], memory=True)
    assert 60 < paired.peak(line, "allocates") < 80


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="here they would measure, for minutes")
def test_the_jobs_for_a_gpu_run_at_toy_sizes():
    (lora,) = [row for row in gpu_steps.measured("mamba-130m", 1, device.Clock(60)) if row["method"] == "LoRA in_proj"]
    assert {name: len(result["ms"]) for name, result in lora["variants"].items()} == {"ours": 1, "stock": 1}
    assert lora["stock_over_ours"] > 0
    if backends()["triton"].available:
        rows = gpu_scan.compared(device.Clock(60), 1)
        assert all(row["relative_errors"]["triton"] < 1.6e-2 for row in rows) and len(rows) == 2


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="here it would measure, for minutes")
def test_the_job_for_batching_runs_at_toy_sizes():
    decoding = gpu_batching.decoding("mamba-130m", 1, device.Clock(60))
    assert all(gain > 0 for gain in decoding["gains"].values()), decoding
    for method in gpu_batching.METHODS:
        assert gpu_batching.rates("mamba-130m", method, 1, device.Clock(60))["ratio"] > 0


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="here it would measure, for minutes")
def test_the_job_for_tables_25_to_27_leaves_recorded_results_of_their_cells(tmp_path):
    gpu_tables.measured("mamba-130m", 4, 2, device.Clock(60), tmp_path)
    found = Results.recorded(tmp_path)
    assert found.seeds == [0, 1]
    for exhibit in load_exhibits(gpu_tables.ROOT / "workflow" / "exhibits", ["table25", "table26", "table27"]):
        for _, (point, *_) in exhibit.point_rows():
            # on a CPU the memory of a toy may lie within what the process holds already
            assert found.measured(point)[0]["mean"] >= (point.exhibit != "table25") * 1e-9, point
    metrics = read_metrics(next(tmp_path.rglob("sdlora/**/metrics.json")))
    cost, trained = metrics["cost"], metrics["history"]
    assert [entry["step"] for entry in trained] == [4] and metrics["data"]["batches"] == 4
    assert cost["selection_seconds"] == pytest.approx(
        cost["selection_train_seconds"] + cost["selection_choose_seconds"], abs=1e-3
    )
    assert cost["selection_share_of_1_epoch"] == pytest.approx(
        cost["selection_seconds"] / cost["train_seconds"], rel=1e-2
    )


def test_a_variant_that_fails_is_said_and_left_out():
    def fails():
        raise MemoryError("no room")

    results = device.alternated({"runs": lambda: None, "fails": fails}, 2, device.Clock(60))
    assert len(results["runs"]["ms"]) == 2
    assert results["fails"] == {"ms": [], "failed": "MemoryError: no room"}
    assert device.ratio(results, "fails", "runs") is None
