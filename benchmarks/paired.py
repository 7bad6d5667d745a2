"""Paired measurements: two variants take turns in one process, and what counts is the median of their ratios.

On one thread the clock is the process's CPU time, which a busy machine disturbs least; on more it is wall time.
"""

from __future__ import annotations

import gc
import operator
import os
import resource
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

ALLOCATORS = {
    "default": {},
    "tuned": {"MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(8 << 30)},
}
"""Settings of glibc's malloc. By default it returns large blocks to the kernel at once, and every use of them anew
faults their pages in; code that allocates much is several times slower for it."""


class Variant(NamedTuple):
    """One of the two things compared."""

    name: str
    run: Callable[[], object]
    units: float = 1.0
    """Times are divided by this before they are compared, for example by the number of elements."""


@dataclass(frozen=True)
class Line:
    """One line of the table: what is compared, and what the ratio of the first to the second variant should be."""

    what: str
    variants: Callable[[], tuple[Variant, Variant]]
    """Builds both variants, in the process that measures them."""
    goal: str = ""
    """`>= number` or `<= number`; empty where the line only informs."""
    rounds: int = 7
    warm_up: bool = True
    threads: int = 1
    allocator: str = "default"
    environment: dict[str, str] = field(default_factory=dict)
    memory: bool = False
    """Compare the growth of the process's peak memory, each variant in processes of its own, instead of time."""
    obstacle: Callable[[], str] = lambda: ""
    """Why the line cannot be measured on this machine; empty where it can."""


def variables(line: Line) -> dict[str, str]:
    """Environment of the process that measures a line."""
    threads = {"OMP_NUM_THREADS": str(line.threads), "MKL_NUM_THREADS": str(line.threads)}
    return {"TRANSFORMERS_VERBOSITY": "error", **threads, **ALLOCATORS[line.allocator], **line.environment}


def times(line: Line, rounds: int) -> dict[str, Any]:
    """Measure a line of times; all of them in milliseconds a call, by variant and round."""
    torch.set_num_threads(line.threads)
    clock = time.process_time if line.threads == 1 else time.perf_counter
    variants = line.variants()
    measured = {variant.name: [] for variant in variants}
    for index in range(rounds + line.warm_up):
        for variant in variants:
            gc.collect()
            start = clock()
            variant.run()
            elapsed = clock() - start
            if index or not line.warm_up:
                measured[variant.name].append(elapsed * 1e3 / variant.units)
    return measured


def peak(line: Line, name: str) -> float:
    """Growth of this process's peak memory, in MB, while one variant of a line runs for the first time."""
    torch.set_num_threads(line.threads)
    (variant,) = (variant for variant in line.variants() if variant.name == name)
    gc.collect()
    before = _resident_mb()
    with _PeakOfResident() as watched:
        variant.run()
    high = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # the mark of the whole process counts where building the variants stayed below it
    return max(watched.mb, high if high > watched.start_mark else 0.0) - before


class _PeakOfResident:
    """Samples the resident memory from a thread, since the kernel's high-water mark cannot be reset by all users."""

    def __init__(self) -> None:
        self.mb = _resident_mb()
        self.start_mark = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self.mb = max(self.mb, _resident_mb())

    def __enter__(self) -> _PeakOfResident:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._done.set()
        self._thread.join()
        self.mb = max(self.mb, _resident_mb())


def _resident_mb() -> float:
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def summary(line: Line, measured: dict[str, list[float]]) -> dict[str, Any]:
    """What the table shows of a line: medians of both variants, and median and quartiles of the ratios by round."""
    (first, of_first), (second, of_second) = measured.items()
    ratios = [a / b for a, b in zip(of_first, of_second, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return {
        "what": line.what,
        "ratio_of": [first, second],
        "goal": line.goal,
        "ratio": {"median": middle, "quartiles": [low, high]},
        "met": _met(line.goal, middle),
        "rounds": len(ratios),
        "unit": "MB" if line.memory else "ms",
        "medians": {name: statistics.median(values) for name, values in measured.items()},
        "threads": line.threads,
        "clock": "none" if line.memory else "process" if line.threads == 1 else "wall",
        "allocator": line.allocator,
        "environment": line.environment,
    }


def _met(goal: str, ratio: float) -> bool | None:
    if not goal:
        return None
    comparison, bound = goal.split()
    return {">=": operator.ge, "<=": operator.le}[comparison](ratio, float(bound))
