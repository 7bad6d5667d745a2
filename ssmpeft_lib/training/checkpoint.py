"""Where a run stands, on disk, so that a run that was stopped ends with the same numbers as one that was not."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from .loop import Progress, Trainer

EVERY_SECONDS = 60.0
"""A checkpoint is written at a validation, at most this often: a miniature is over before the first."""


class Checkpoint:
    """The checkpoint file of one run.

    Args:
        path: the file; it exists only while a run is under way.
        recipe: the run's numbers; a checkpoint of another recipe is not gone on from.
        every: seconds between two checkpoints.
    """

    def __init__(self, path: Path, recipe: dict[str, Any], every: float = EVERY_SECONDS):
        self.path = Path(path)
        self.recipe = recipe
        self.every = every
        self._last = monotonic()

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the last one."""
        return monotonic() - self._last >= self.every

    def save(
        self,
        trainer: Trainer,
        progress: Progress,
        trained: dict[str, Tensor],
        best: dict[str, Tensor],
        fixed: dict[str, Tensor],
        warmup: dict[str, Any],
    ) -> None:
        """Write the state of a run, whole or not at all.

        Args:
            trained: the trained parameters as they are.
            best: the trained parameters after the best validation.
            fixed: what a warm-up chose, such as the indices of sparse deltas.
            warmup: what is told of the warm-up beside.
        """
        state = {
            "recipe": self.recipe,
            "trained": {name: tensor.detach() for name, tensor in trained.items()},
            "best": best,
            "fixed": fixed,
            "warmup": warmup,
            "optimizer": trainer.optimizer.state_dict(),
            "step": trainer.step,
            "progress": asdict(progress),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        partial = self.path.with_suffix(".partial")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, partial)
        os.replace(partial, self.path)
        self._last = monotonic()

    def load(self) -> dict | None:
        """The state that was written, or None; tensors and plain values only.

        A file that cannot be read, or of another recipe (config.yaml was changed), is left alone: the run begins anew.
        """
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, weights_only=True)
        except (RuntimeError, EOFError, UnpicklingError) as error:
            logging.warning("%s cannot be read (%s); training starts anew", self.path, error)
            return None
        if state.get("recipe") != self.recipe:
            logging.warning("%s was written with another recipe than this one; training starts anew", self.path)
            return None
        return state

    def remove(self) -> None:
        """The run has ended."""
        self.path.unlink(missing_ok=True)
