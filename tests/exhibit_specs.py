"""All specs, loaded once, and the reference tables of the paper in the specs' words."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache

from reference import REPOSITORY, shared

from ssmpeft_lib.plan.exhibit import Exhibit, Point, load_exhibits

SPECS = REPOSITORY / "workflow" / "exhibits"
Row = dict[str, str]

METRICS = {
    "mcc": "matthews",
    "avg_score": "score",
    "avg_accuracy": "average_accuracy",
    "memory_gb": "cost.peak_memory_gb",
}
TIMES = {
    "": "cost.train_seconds",
    "initial subset training": "cost.selection_train_seconds",
    "magnitude-based dimension selection": "cost.selection_choose_seconds",
    "total": "cost.selection_seconds",
    "of 1 epoch": "cost.selection_share_of_1_epoch",
    "of 5 epochs": "cost.selection_share_of_5_epochs",
}
METHODS = {"lora+": "lora_plus", "sdlora+": "sdlora_plus", "frozen": "pretrained"}


@cache
def exhibits() -> dict[str, Exhibit]:
    """Every spec by its id."""
    return {exhibit.id: exhibit for exhibit in load_exhibits(SPECS)}


def points() -> list[Point]:
    return [point for exhibit in exhibits().values() for point in exhibit.points]


@cache
def table(number: int) -> list[Row]:
    """A reference table; skips the test where the reference material is missing."""
    with shared(f"paper/tables/table_{number:02d}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def reconstructed() -> list[Row]:
    with shared("paper/tables/reconstructed.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def in_printed_order(rows: Iterable[Row]) -> list[list[Row]]:
    """The numbers of each printed row, in the order of the page."""
    found: dict[tuple, list[Row]] = {}
    for row in rows:
        variant = "" if row["table"] in ("7", "8", "9", "10", "27") else row["variant"]
        key = row["target_layers"], row["target_modules"], row["method"], variant
        if row["table"] in ("5", "19", "20", "23"):
            key = row["method"], row["variant"].partition(";")[0]
        if row["table"] == "27":
            key = (row["variant"],)
        found.setdefault(key, []).append(row)
    return list(found.values())


def dataset_of(row: Row) -> str:
    if row["dataset"] == "glue":
        return "glue" if row["task"] == "avg" else f"glue-{row['task']}"
    if row["dataset"] == "cifar10" and row["model"] == "s4-deep":
        return "cifar10-pixels"
    return "random-tokens" if row["dataset"] == "synthetic" else row["dataset"]


def metric_of(row: Row) -> str:
    """The metric of a reference number, without the split."""
    if row["metric"] in ("runtime_s", "fraction_of_training_time"):
        return TIMES[row["variant"]]
    if row["dataset"] == "spider":
        return f"exec_{row['task']}"
    if row["metric"] == "overall_accuracy":
        return f"overall_{row['task']}"
    return METRICS.get(row["metric"], row["metric"])


def names(point: Point, row: Row) -> bool:
    """Whether a point names the quantity of a reference number, apart from its row."""
    split, _, metric = point.metric.partition(".")
    if split == "cost":
        metric = point.metric
    right_split = not row["split"] or row["split"] == split
    return (
        (point.model, point.dataset, metric) == (row["model"], dataset_of(row), metric_of(row))
        and right_split
        and point.method.partition("@")[0].partition(",")[0] == METHODS.get(row["method"], row["method"])
    )
