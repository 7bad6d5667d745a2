"""What a cell will cost: time and memory, from recorded runs where there are any, else from what the paper prints.

`recorded/costs.json` holds means of finished runs by scale, model and data set; `python -m ssmpeft_lib plan --record`
writes it. At scale paper, where nothing was recorded, costs follow from Tables 25 and 26: seconds and memory of LoRA
for 2500 batches of 1500 random tokens on one H100.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

from . import registry, search
from .exhibit import Exhibit
from .facts import DatasetFacts
from .results import write_json

ROOT = registry.PACKAGE.parent
RECORDED = ROOT / "recorded" / "costs.json"
SPECS = ROOT / "workflow" / "exhibits"

TIMED = "random-tokens"
"""The data set of Tables 25 to 27."""

TIMED_METHOD = "lora"
"""The dearer of the two methods of these tables."""

LINE = ("mamba-130m", "mamba-1.4b")
"""The printed models whose costs are carried over to the sizes that are not printed, as a power of the size."""

MILLIONS = {"m": 1, "b": 1000}

PARTS = {
    "selection": "choosing dimensions",
    "train": "training",
    "validation": "validation while training",
    "val": "validation scores",
    "test": "test scores",
}
"""What a cell times itself, by the beginning of the key in metrics.json."""

UNKNOWN_SECONDS, UNKNOWN_GB = 60.0, 0.5
"""Of a small stand-in's cell, where nothing was recorded."""


@dataclass(frozen=True)
class Cost:
    """Cost of one cell.

    Attributes:
        seconds: training and scoring.
        memory_gb: peak of training; on the GPU where there is one.
        source: where the figures come from: `recorded`, `printed`, `extrapolated` or `assumed`.
    """

    seconds: float
    memory_gb: float
    source: str


@cache
def cost_of(scale: str, model: str, dataset: str) -> Cost:
    """Cost of a cell; what method it has matters less than what model and data."""
    by_model = recorded().get(scale, {})
    entry = by_model.get(model, {}).get(dataset)
    if entry is not None:
        return Cost(entry["seconds"], entry["memory_gb"], "recorded")
    if scale == "paper":
        return _from_tables(model, dataset)
    others = [entry for entries in by_model.values() for name, entry in entries.items() if name == dataset]
    others = others or [entry for entries in by_model.values() for entry in entries.values()]
    if not others:
        return Cost(UNKNOWN_SECONDS, UNKNOWN_GB, "assumed")
    return Cost(fmean(o["seconds"] for o in others), max(o["memory_gb"] for o in others), "extrapolated")


def search_seconds(scale: str, model: str, dataset: str, rates: int) -> float:
    """Return what one process of the learning-rate search takes: an epoch on few examples for each of its rates.

    A miniature's search is taken to cost what its cell costs.
    """
    whole = cost_of(scale, model, dataset).seconds
    if scale != "paper":
        return whole
    facts = registry.dataset_facts(dataset)
    tried = search.EPOCHS * min(facts.train, search.TRAIN_EXAMPLES) + min(facts.val, search.VAL_EXAMPLES)
    return rates * whole * min(1.0, tried / _examples(facts))


@cache
def recorded() -> dict[str, Any]:
    """Recorded costs by scale, model and data set; none where there is no file."""
    return json.loads(RECORDED.read_text(encoding="utf-8"))["costs"] if RECORDED.exists() else {}


def record(costs: dict[str, Any]) -> None:
    """Write costs of some scales, models and data sets; what was recorded of others stays."""
    merged = {scale: dict(models) for scale, models in recorded().items()}
    for scale, models in costs.items():
        for model, datasets in models.items():
            known = merged.setdefault(scale, {}).get(model, {})
            merged[scale][model] = {**known, **datasets}
    write_json(RECORDED, {"costs": merged})
    recorded.cache_clear()
    cost_of.cache_clear()


@cache
def parameters(model: str) -> float:
    """Parameters of a model in millions, as its name states them; NaN for a name that states none."""
    found = re.search(r"-(\d+(?:\.\d+)?)([mb])$", model)
    return float(found[1]) * MILLIONS[found[2]] if found else math.nan


def gigabytes(model: str) -> float:
    """Size of a checkpoint in single precision."""
    return 0.0 if math.isnan(parameters(model)) else parameters(model) * 4e-3


@cache
def printed(table: str) -> dict[str, float]:
    """The numbers that a table prints for LoRA, by model."""
    points = Exhibit.load(SPECS / f"{table}.yaml").points
    return {p.model: p.printed.value for p in points if p.method.startswith(TIMED_METHOD) and p.printed}


def _from_tables(model: str, dataset: str) -> Cost:
    """Steps of a data set at the printed time of a step, more where its longest sequences are longer.

    Short sequences save nothing, and scoring an example counts like training on one: no time of generation is printed.
    """
    timed, facts = map(registry.dataset_facts, (TIMED, dataset))
    steps = timed.epochs * timed.train / timed.batch_size
    longer = max(1.0, _batch_tokens(facts) / _batch_tokens(timed))
    seconds = _of_model("table26", model) / steps * longer * _examples(facts) / facts.batch_size
    memory = _of_model("table25", model)
    weights = min(memory, gigabytes(model))
    source = "printed" if model in printed("table26") else "extrapolated"
    return Cost(seconds, weights + (memory - weights) * longer, source)


def _examples(facts: DatasetFacts) -> int:
    """Examples that a cell trains on and scores, each as often as it does."""
    return facts.epochs * (facts.train + facts.val) + facts.test


def _batch_tokens(facts: DatasetFacts) -> int:
    return facts.batch_size * facts.max_seq_len


def _of_model(table: str, model: str) -> float:
    """The printed number of a model, or the one of the line through two printed models on logarithmic scales."""
    values = printed(table)
    if model in values:
        return values[model]
    small, large = LINE
    if math.isnan(parameters(model)):
        return values[small]
    exponent = math.log(values[large] / values[small]) / math.log(parameters(large) / parameters(small))
    return values[small] * (parameters(model) / parameters(small)) ** exponent
