"""Checks of splits: a share of n questions is a multiple of 1/n."""

from __future__ import annotations

from collections.abc import Iterable

from ._checks import check
from .averages import LEVELS
from .numbers import TINY, Counts, Evidence, PrintedNumbers

SINGLE = [
    ("table20", "Jamba-Tiny-319M Spider Acc."),
    ("table21", "Mamba-II-1.3B Spider Acc."),
    ("table24", "Mamba-II-1.3B Spider Acc."),
]


def attainable(percent: float, digits: int, questions: int) -> bool:
    """Whether a printed percentage is a share of so many questions, rounded."""
    half = 0.5 * 10.0**-digits + TINY
    right = round(percent / 100 * questions)
    return any(abs(100 * count / questions - percent) <= half for count in (right - 1, right, right + 1))


@check
def splits(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Sec. C.1, scores are on validation sets: which of Table 6's splits the printed scores can be shares of."""
    found: Evidence = {}
    for task in ("rte", "mrpc"):
        sizes, scores = printed.row("table06", task), printed.column("table07", task.upper())
        for split in ("Val", "Test"):
            found[f"{task}_{split.lower()}"] = _count(scores, 1, int(sizes[split]))
            found[f"{task}_{split.lower()}_size"] = int(sizes[split])
        found[task] = len(scores)
    sizes, spider = printed.row("table06", "spider"), _single(printed)
    by_level = [
        attainable(row[column], 1, (LEVELS | {"All": sum(LEVELS.values())})[column.rpartition(" ")[2]])
        for row in printed.rows("table10")
        for column in row.scores
    ]
    dart = printed.row("table08", "full")["METEOR"]
    return found | {
        "levels": f"{sum(by_level)} of {len(by_level)}",
        "spider_single": f"{_count(spider, 2, int(sizes['Val']))} of {len(spider)}",
        "spider_val_size": int(sizes["Val"]),
        "spider_test_size": int(sizes["Test"]),
        "spider_as_test": _count(spider, 2, int(sizes["Test"])),
        "dart": dart,
        "dart_val": max(printed.column("table05", "Mamba-130M DART METEOR, Val")),
        "dart_test": max(printed.column("table05", "Mamba-130M DART METEOR, Test")),
    }


@check
def runs_averaged(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Secs. 5.4 and D.6, averages of three runs: which Spider scores of Tables 5, 20, 21 and 24 can be such."""
    size = int(printed.row("table06", "spider")["Val"])
    scores, others = printed.column("table05", "Mamba-1.4B Spider Acc., Val"), _single(printed)
    return {
        "size": size,
        "table5": len(scores),
        "thirds": _count(scores, 2, 3 * size),
        "single": _count(scores, 2, size),
        "others": f"{_count(others, 2, size)} of {len(others)}",
    }


def _single(printed: PrintedNumbers) -> list[float]:
    return [number for place in SINGLE for number in printed.column(*place)]


def _count(scores: Iterable[float], digits: int, questions: int) -> int:
    return sum(attainable(score, digits, questions) for score in scores)
