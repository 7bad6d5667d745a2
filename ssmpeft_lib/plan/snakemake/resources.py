"""What rules ask for: memory, minutes, GPUs and threads. A job that failed gets more at its next attempt."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import search
from ..costs import cost_of, gigabytes, search_seconds

MARGIN, START_MINUTES = 3, 10
"""How many times its estimate a cell may take before a cluster stops it, and what is added for a slow start."""

MOST_TIMES = 3
"""How many times its memory a job gets at most, for one that goes on after each end of its time has many attempts."""

LIBRARIES_MB = 1500
"""Memory of a process that has imported everything and loaded nothing."""


@dataclass(frozen=True)
class Needs:
    """What the cells of a scale ask for.

    Attributes:
        scale: `quick`, `real` or `paper`.
        job_hours: the longest that the cluster lets a job run; None where nothing bounds it.
    """

    scale: str
    job_hours: float | None = None

    @property
    def gpus(self) -> int:
        """GPUs of a cell."""
        return int(self.scale == "paper")

    def memory_mb(self, wildcards: Any, attempt: int) -> int:
        """Main memory of a cell; where it trains on a GPU, for the weights on their way there."""
        on_gpu = 2 * gigabytes(wildcards.model)
        needed = on_gpu if self.gpus else cost_of(self.scale, wildcards.model, wildcards.dataset).memory_gb
        return min(attempt, MOST_TIMES) * (LIBRARIES_MB + math.ceil(1000 * needed))

    def minutes(self, wildcards: Any, attempt: int) -> int:
        """Minutes after which a cell may be stopped."""
        return self._minutes(cost_of(self.scale, wildcards.model, wildcards.dataset).seconds, attempt)

    def search_minutes(self, wildcards: Any, attempt: int) -> int:
        """The same for one process of the learning-rate search, which is much shorter than the training."""
        rates = len(search.parse_rates(wildcards.rates))
        return self._minutes(search_seconds(self.scale, wildcards.model, wildcards.dataset, rates), attempt)

    def _minutes(self, seconds: float, attempt: int) -> int:
        asked = attempt * (START_MINUTES + math.ceil(MARGIN * seconds / 60))
        return asked if self.job_hours is None else min(asked, max(1, int(60 * self.job_hours)))

    def threads(self, cores: int | None) -> int:
        """Threads of a cell: one on CPUs, so that cells fill the cores; else the cores divided among the GPUs."""
        found = len(visible_gpus()) if self.gpus else 0
        return max(1, (cores or 1) // found) if found else 1


def scaled_by_attempt(**amounts: int) -> dict[str, Callable[[Any, int], int]]:
    """Resources by name: the given amounts for the first attempt, twice as much for the second, and so on."""
    return {name: _times_attempt(amount) for name, amount in amounts.items()}


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [word for word in map(str.strip, visible.split(",")) if word not in ("", "-1")]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))


def _times_attempt(amount: int) -> Callable[[Any, int], int]:
    return lambda wildcards, attempt: amount * attempt
