"""What a long training says while it goes on: a line a minute in the log, with the time that is left."""

from __future__ import annotations

import logging
import math
from datetime import timedelta
from time import monotonic

SECONDS = 60.0

logger = logging.getLogger(__name__)


class ProgressLog:
    """Logs at most once a minute where a training stands.

    Args:
        name: of the run.
        total_steps: its length.
        first_step: where it goes on from.
    """

    def __init__(self, name: str, total_steps: int, first_step: int = 0):
        self.name, self.total_steps, self.first_step = name, total_steps, first_step
        self._start = self._logged = monotonic()

    def step(self, step: int, loss: float, best_score: float = -math.inf) -> None:
        """Take note of a step that was taken.

        Args:
            best_score: on validation data so far; minus infinity where none was computed.
        """
        now = monotonic()
        if now - self._logged < SECONDS:
            return
        self._logged = now
        left = (now - self._start) / max(1, step - self.first_step) * (self.total_steps - step)
        score = f", best validation score {best_score:.1f}" if math.isfinite(best_score) else ""
        line = "%s: step %s of %s, loss %.4g%s, about %s left"
        clock = timedelta(seconds=round(left))
        logger.info(line, self.name, f"{step:,}", f"{self.total_steps:,}", loss, score, clock)
