"""The learning-rate search: how well each rate does after one epoch on some of the data (Sec. C.1)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from ..plan.cell import Cell
from ..training.loop import Diverged, Watch
from ..training.vmapped import NotTogether
from .many_rates import diverged, ended, outcome, protocol, train_side_by_side
from .open import adapt_run, open_run
from .run import Run


@dataclass
class Search:
    """Tries learning rates.

    Attributes:
        cell: whose learning rate is looked for.
        results: the results directory, which holds the model and the encoded data.
        overrides: of the recipe, from config.yaml.
        to_the_end: whether a rate whose loss has run away goes on; one whose loss is no number never does.
        threads: of torch, on a CPU.
        protocol: what was trained and what a score is of; known after the first rate.
        note: why rates that should have been trained side by side were trained one by one.
    """

    cell: Cell
    results: Path = Path("results")
    overrides: dict[str, Any] = field(default_factory=dict)
    to_the_end: bool = False
    threads: int = 1
    protocol: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    def side_by_side(self, rates: Sequence[float]) -> list[dict[str, Any]]:
        """Try rates as versions over one frozen model; where that cannot be, one by one, which `note` then says."""
        try:
            return self._together(rates)
        except (NotTogether, torch.OutOfMemoryError) as error:
            self.note = f"trained one by one: {error}"
        # outside of the handler, which holds what was allocated
        logging.warning("%s: the rates are %s", self.cell, self.note)
        return self.one_by_one(rates)

    def _together(self, rates: Sequence[float]) -> list[dict[str, Any]]:
        start = perf_counter()
        run = self._opened(rates[0])
        versions = train_side_by_side(run, rates, [self._watch(run) for _ in rates])
        entries = [outcome(run, version) for version in versions]
        seconds = (perf_counter() - start) / len(rates)
        return [entry | {"seconds": round(seconds, 3)} for entry in entries]

    def one_by_one(self, rates: Sequence[float]) -> list[dict[str, Any]]:
        """Try one rate after another."""
        return [self._alone(rate) for rate in rates]

    def _alone(self, rate: float) -> dict[str, Any]:
        start = perf_counter()
        run = self._opened(rate)
        try:
            progress = run.train(to_the_end=self.to_the_end)
            entry = ended(rate, progress.best_score, progress.history[-1]["train_loss"], progress.step)
        except Diverged as error:
            entry = diverged(rate, error)
        logging.info("%s: %s", self.cell, entry)
        return entry | {"seconds": round(perf_counter() - start, 3)}

    def _opened(self, rate: float) -> Run:
        run = open_run(self.cell, self.results, self.overrides, threads=self.threads, trying=rate)
        adapt_run(run)
        self.protocol = protocol(run) | {"stops_early": not self.to_the_end}
        return run

    def _watch(self, run: Run) -> Watch | None:
        return None if self.to_the_end else Watch(run.problem.uniform_loss)
