"""Methods by data sets on one axis: how far each is from LoRA on the linear projections, as printed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from ...compare.effects import Contest
from ..claims_view import together
from ..documents import Book
from ..effects_view import EffectAxis
from ..environment import render
from ..page import raw

PROJECTIONS = ("lora@linear", "lora@in_proj", "lora@in_proj_?", "lora@out_proj")
ROWS = (
    ("Full fine-tuning", "full", ("full",), PROJECTIONS),
    ("Prompt tuning", "prompt", ("prompt*",), PROJECTIONS),
    ("Prefix-tuning", "prompt", ("prefix*",), PROJECTIONS),
    ("BitFit", "bias", ("bitfit",), PROJECTIONS),
    ("LoRA on the SSM module", "lora", ("lora@ssm*", "lora@x_proj", "lora@dt_proj"), PROJECTIONS),
    ("SDLoRA", "sdlora", ("sdlora*",), ("lora@*",)),
)
"""Name, family, and by globs over method strings what is compared with what."""

DATASETS = {"glue": "GLUE", "dart": "DART", "samsum": "SAMSum", "spider": "Spider", "cifar10": "CIFAR-10"}


def myst(book: Book, page: str) -> str:
    """A table of differences; nothing where this book has none."""
    found = {(row[0], dataset): _differences(book.contests, dataset, *row[2:]) for row in ROWS for dataset in DATASETS}
    shown = [name for name in DATASETS if any(found[row[0], name] for row in ROWS)]
    if not shown:
        return ""
    axis = EffectAxis.of(value for values in found.values() for value in values)
    rows = [
        {"name": name, "family": family, "cells": [_cell(axis, found[name, dataset]) for dataset in shown]}
        for name, family, *_ in ROWS
        if any(found[name, dataset] for dataset in shown)
    ]
    titles = {document["id"]: document["title"].partition(":")[0] for document in book.documents}
    tables = together({titles[contest.exhibit] for contest in book.contests if contest.dataset in shown})
    return raw(render("overview.html", rows=rows, datasets=[DATASETS[name] for name in shown], tables=tables))


def _differences(contests: Sequence[Contest], dataset: str, ahead: Sequence[str], behind: Sequence[str]) -> list[float]:
    """Every difference on a data set, of tables that repeat others only where those have none."""
    mine = [contest for contest in contests if contest.dataset == dataset]
    for repeats in (False, True):
        own = [one for contest in mine if contest.repeats == repeats for one in contest.differences(ahead, behind)]
        if own:
            return own
    return []


def _cell(axis: EffectAxis, values: list[float]) -> dict[str, str] | None:
    return axis.drawn(fmean(values), min(values), max(values)) if values else None
