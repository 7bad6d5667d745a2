"""Results that were never measured, to build and test pages with. Nothing outside the tests may import this."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import jupytext
from reference import REPOSITORY

from ssmpeft_lib.commands.pipeline._reference import describe_library
from ssmpeft_lib.compare.join import exhibit_document
from ssmpeft_lib.methods._catalogue import catalogue
from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.atomic import write_text
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.exhibit import Exhibit, cells_of, load_exhibits
from ssmpeft_lib.plan.results import write_json, write_metrics
from ssmpeft_lib.runs import notebook_report as report

UNTRUSTED = '<script>alert("answer")</script> ``` <b>& so on'
"""Stands among the answers: pages must show it as text."""


def fake_results(
    folder: Path,
    exhibits: Iterable[str] = ("table07", "table08"),
    scale: str = "quick",
    seeds: int = 3,
    failed: Iterable[str] = (),
    missing: Iterable[str] = (),
) -> list[Exhibit]:
    """Write metrics.json, predictions and executed notebooks for the cells of some exhibits, and the joined exhibits.

    Args:
        folder: the results directory.
        failed, missing: texts; a cell with one of them in its name failed, or was not run.
    """
    loaded = load_exhibits(REPOSITORY / "workflow" / "exhibits", list(exhibits))
    near = _printed_near(loaded)
    for cell in cells_of(loaded, scale, range(seeds)):
        if not any(text in str(cell) for text in missing):
            wanted = near[cell.model, cell.method, cell.dataset]
            _write_cell(folder / cell.path, cell, wanted, any(text in str(cell) for text in failed))
    shares = _shares(loaded)
    write_json(folder / "shares.json", shares)
    write_json(folder / "catalogue.json", catalogue() | {"reference": describe_library()})
    for exhibit in loaded:
        document = exhibit_document(exhibit, scale, range(seeds), folder, shares)
        write_json(folder / scale / "exhibits" / f"{exhibit.id}.json", document)
    return loaded


def _printed_near(exhibits: list[Exhibit]) -> dict[tuple[str, str, str], dict[str, float]]:
    """For each cell's words, the scores it is asked for, and a number for each near the printed one."""
    near: dict[tuple[str, str, str], dict[str, float]] = {}
    for exhibit in exhibits:
        for point in exhibit.points:
            for member in registry.groups().get(point.dataset, (point.dataset,)):
                own = near.setdefault((point.model, point.method, member), {})
                own.setdefault(point.metric, point.printed.value if point.printed else 50.0)
                own.setdefault(point.metric.partition(".")[0] + ".score", own[point.metric])
    return near


def _shares(exhibits: list[Exhibit]) -> dict[str, dict[str, dict]]:
    shares: dict[str, dict[str, dict]] = {}
    for exhibit in exhibits:
        for point in exhibit.points:
            if point.metric == "params.trainable_pct" and point.printed:
                total = 129_135_360
                trainable = round(total * point.printed.value / 100)
                counted = {"trainable": trainable, "total": total, "trainable_pct": 100 * trainable / total}
                shares.setdefault(point.model, {})[point.method] = counted
    return shares


def _write_cell(folder: Path, cell: Cell, wanted: dict[str, float], fails: bool) -> None:
    run = _fake_run(cell, wanted)
    metrics = run.metrics()
    if fails:
        error = {"type": "RuntimeError", "message": "the loss is no longer a number at step 12 <of 150>"}
        metrics = {key: metrics[key] for key in ("schema", "cell", "made_by")} | {"status": "failed", "error": error}
    else:
        rows = [{"split": "test", "index": i, "answer": answer} for i, answer in enumerate(run.answers["test"])]
        write_text(folder / "predictions.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    write_json(folder / "cell.ipynb", _notebook(run, fails))
    write_metrics(folder / "metrics.json", metrics)


def _fake_run(cell: Cell, wanted: dict[str, float]) -> SimpleNamespace:
    chance = random.Random(f"{cell.model} {cell.method} {cell.dataset}")
    shift = chance.gauss(-2, 4)
    luck = random.Random(str(cell))
    found: dict[str, dict] = {"val": {"score": 50.0, "n": 64}, "test": {"score": 50.0, "n": 64}}
    for metric, value in wanted.items():
        split, _, name = metric.partition(".")
        if split in found:
            got = min(100.0, max(0.0, value + shift + luck.gauss(0, 1.2)))
            found[split][name] = round(got, 3)
            found[split].setdefault("ci", {})[name] = [round(max(0, got - 5), 2), round(min(100, got + 5), 2)]
    text = cell.dataset in ("dart", "samsum", "spider")
    trains = not cell.method.startswith("pretrained")
    steps = (300 if text else 150) if trains else 0
    last = found["val"]["score"]
    history = [
        {
            "step": steps * k // 3, "train_loss": round(3.2 * 0.4**k, 4), "val_score": round(last * (0.4 + 0.2 * k), 2),
            "grad_norm": 1.5 / k, "max_grad_norm": 4.0 / k,
        }
        for k in (1, 2, 3)
    ] if trains else []  # fmt: skip
    data = {"source": "generated miniature", "miniature": True}
    cost = {"steps": steps, "train_seconds": 0.9 + luck.random(), "peak_memory_gb": 0.0642}
    cost |= {"trainable": 4096, "total": 131_008, "trainable_pct": 3.1, "val_seconds": 0.3, "test_seconds": 0.2}
    metrics = {
        "schema": 1, "status": "ok", "cell": str(cell), "recipe": _RECIPE | {"steps": steps}, "data": data, **found,
        "cost": cost, "history": history, "made_by": _MADE_BY,
    }  # fmt: skip
    examples = [
        SimpleNamespace(input="Mars Hill College | joined | 1973", label="", references=("It joined in 1973.",))
    ] * 3
    return SimpleNamespace(
        cell=cell,
        recipe=SimpleNamespace(**_RECIPE, steps=steps or None),
        total_steps=steps,
        model=_MODEL,
        data=data,
        problem=SimpleNamespace(
            splits={"train": _Split(examples, 1024), "val": _Split(examples, 256), "test": _Split(examples, 256)},
            examples=lambda split: examples,
            serialised=lambda i: ["convert triples to text: Mars Hill College | joined | 1973", "It joined in 1973."],
        ),
        trained={f"backbone.layers.{i}.mixer.out_proj.lora_{m}": _Tensor(8, 128) for i in range(2) for m in "AB"}
        if trains
        else {},
        selection={},
        search={},
        progress=SimpleNamespace(history=history, best_step=steps),
        scores=found,
        answers={"test": ["It joined in 1973.", UNTRUSTED, ""]},
        timers={split: SimpleNamespace(seconds=0.3) for split in found},
        metrics=lambda: metrics,
    )


class _Split(list):
    def __init__(self, examples: list, size: int):
        super().__init__(range(size))
        self.examples = examples


class _Tensor:
    def __init__(self, *shape: int):
        self.shape = shape

    def numel(self) -> int:
        return self.shape[0] * self.shape[-1]


class MambaForCausalLM:
    def parameters(self) -> list[_Tensor]:
        return [_Tensor(1024, 128)]


_MODEL = MambaForCausalLM()
_RECIPE = {"learning_rate": 0.015, "batch_size": 16, "epochs": 10, "precision": "fp32", "clip": 1.0}
_MADE_BY = {
    "results_version": 1, "commit": "0123456789ab", "dirty": False, "device": "made up for a test", "threads": 1,
    "python": "3.11.7", "libraries": {"torch": "0.0.0", "transformers": "0.0.0"}, "scan_backend": "none",
    "time": "2026-01-01T00:00:00+00:00",
}  # fmt: skip


@cache
def _template() -> str:
    return jupytext.writes(jupytext.read(REPOSITORY / "notebooks" / "cell.md"), fmt="ipynb")


def _notebook(run: SimpleNamespace, fails: bool) -> dict:
    """The cell notebook as papermill leaves it."""
    notebook = json.loads(_template())
    cells = []
    for index, source in enumerate(notebook["cells"]):
        cells.append(source | {"id": f"cell-{index}"})
        if source["cell_type"] != "code":
            continue
        code = "".join(source["source"])
        if "parameters" in source["metadata"].get("tags", []):
            given = {
                **source,
                "id": "given",
                "source": f'cell = "{run.cell}"',
                "metadata": {"tags": ["injected-parameters"]},
            }
            cells.append(given)
        name = code.rpartition("report.")[2].partition("(")[0]
        if fails and name == "learning_curve":
            cells[-1] |= {"outputs": [_traceback()]}
            cells.insert(0, _papermill_note("An Exception was encountered at 'In [5]'."))
            return notebook | {"cells": cells}
        if code.rstrip().endswith("(run)"):
            shown = getattr(report, name)(run)
            data = {"text/html": shown.markup, "text/plain": repr(shown)}
            output = {"output_type": "execute_result", "execution_count": index, "data": data, "metadata": {}}
            cells[-1] |= {"outputs": [output], "execution_count": index}
    return notebook | {"cells": cells}


def _papermill_note(text: str) -> dict:
    return {
        "cell_type": "markdown", "id": "note", "source": f'<span style="color:red">{text}</span>',
        "metadata": {"tags": ["papermill-error-cell-tag"]},
    }  # fmt: skip


def _traceback() -> dict:
    lines = ["\x1b[31mRuntimeError\x1b[39m   Traceback (most recent call last)", "line <1>", "RuntimeError: the loss"]
    return {"output_type": "error", "ename": "RuntimeError", "evalue": "the loss", "traceback": lines}
