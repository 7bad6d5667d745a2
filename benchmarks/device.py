"""Measurements on a CUDA device: alternated variants between synchronisations, peak memory of the allocator.

On a machine without one, the same code runs at toy sizes to show that it works; its times mean nothing and say so.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ssmpeft_lib.plan import registry
from ssmpeft_lib.training.provenance import environment

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")


def about() -> dict[str, Any]:
    """Who measured, on what, with which driver."""
    made_by = environment() | {"toy": not CUDA}
    if CUDA:
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        made_by["device"] = subprocess.run(query, capture_output=True, encoding="utf-8", check=True).stdout.strip()
        made_by["cuda"] = torch.version.cuda
    return made_by


def network(model: str) -> nn.Module:
    """A model with random weights, in the paper's size; a toy without a device."""
    facts = registry.model_facts(model)
    torch.manual_seed(0)
    with DEVICE:
        return registry.load("models", model).build(**(facts.config if CUDA else facts.stand_in | {"vocab_size": 1000}))


class Clock:
    """How much of the time that a job may take is left."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def left(self) -> float:
        return self.end - time.monotonic()


def synchronize() -> None:
    if CUDA:
        torch.cuda.synchronize()


def once(run: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds and peak memory, in MB, of one call."""
    gc.collect()
    if CUDA:
        torch.cuda.reset_peak_memory_stats()
    synchronize()
    start = time.perf_counter()
    run()
    synchronize()
    elapsed = (time.perf_counter() - start) * 1e3
    return elapsed, torch.cuda.max_memory_allocated() / 2**20 if CUDA else 0.0


def alternated(variants: dict[str, Callable[[], object]], rounds: int, clock: Clock) -> dict[str, dict[str, Any]]:
    """Warm every variant up twice, then time them in turns, as many rounds as there is time for.

    A variant that fails, for want of memory for example, is reported with its error and left out of the rounds.
    """
    results: dict[str, dict[str, Any]] = {name: {"ms": []} for name in variants}
    for index in range(rounds + 2):
        for name, run in variants.items():
            if "failed" in results[name] or (index > 2 and clock.left() < 0):
                continue
            try:
                elapsed, peak = once(run)
            except Exception as error:
                results[name]["failed"] = f"{type(error).__name__}: {str(error)[:200]}"
                if CUDA:
                    torch.cuda.empty_cache()
                continue
            if index >= 2:
                results[name]["ms"].append(elapsed)
                results[name]["peak_mb"] = peak
    for result in results.values():
        if result["ms"]:
            result["median_ms"] = statistics.median(result["ms"])
    return results


def ratio(results: dict[str, dict[str, Any]], first: str, second: str) -> float | None:
    """Median of the ratios by round of the times of two variants; None where one has none."""
    pairs = zip(results.get(first, {}).get("ms", []), results.get(second, {}).get("ms", []), strict=False)
    ratios = [a / b for a, b in pairs]
    return statistics.median(ratios) if ratios else None
