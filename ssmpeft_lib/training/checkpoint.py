"""Where a run stands, on disk, so that a run that was stopped ends with the same numbers as one that was not."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import file_digest, sha256
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from ..plan.atomic import remove, replacing
from .loop import Progress, Trainer

EVERY_SECONDS = float(os.environ.get("SSMPEFT_CHECKPOINT_SECONDS", "60"))
"""A checkpoint is written at a validation, at most this often: a miniature is over before the first.

The variable SSMPEFT_CHECKPOINT_SECONDS says another time, such as for a partition that preempts its jobs often.
"""

DIGEST_BYTES = sha256().digest_size
"""The file ends with the SHA-256 of what stands before, which torch's reader of archives passes over."""


class Checkpoint:
    """The checkpoint file of one run.

    Args:
        path: the file; it exists only while a run is under way.
        inputs: digests of everything that the run's numbers are made from; a checkpoint of others is not gone on from.
        every: seconds between two checkpoints.
    """

    def __init__(self, path: Path, inputs: Mapping[str, str], every: float = EVERY_SECONDS):
        self.path = Path(path)
        self.inputs = dict(inputs)
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
            "inputs": self.inputs,
            "trained": {name: tensor.detach() for name, tensor in trained.items()},
            "best": best,
            "fixed": fixed,
            "warmup": warmup,
            "optimizer": trainer.optimizer.state_dict(),
            "step": trainer.step,
            "watch": trainer.watch.state_dict() if trainer.watch else None,
            "progress": asdict(progress),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        with replacing(self.path) as draft:
            torch.save(state, draft)
            with open(draft, "r+b") as file:
                # reading it to the end leaves the place to write at there
                file.write(file_digest(file, "sha256").digest())
        self._last = monotonic()

    def load(self) -> dict | None:
        """The state that was written, or None; tensors and plain values only, on the CPU.

        A file that is damaged, or that was written by a run that is made from something else (the recipe, the base
        weights, the data, the code), is said to be so and not gone on from: the run begins anew.
        """
        if not self.path.exists():
            return None
        if not self._intact():
            logging.warning("%s is damaged; training starts anew", self.path)
            remove(self.path)
            return None
        state = torch.load(self.path, weights_only=True, map_location="cpu")
        if state["inputs"] != self.inputs:
            other = sorted(name for name, value in self.inputs.items() if state["inputs"].get(name) != value)
            logging.warning(
                "%s was written with another %s than this run has; training starts anew", self.path, ", ".join(other)
            )
            return None
        return state

    def _intact(self) -> bool:
        if not self.path.is_file() or self.path.stat().st_size <= DIGEST_BYTES:
            return False
        with open(self.path, "rb") as file:
            file.seek(-DIGEST_BYTES, os.SEEK_END)
            expected, left = file.read(), file.tell() - DIGEST_BYTES
            file.seek(0)
            digest = sha256()
            while block := file.read(min(left, 1 << 20)):
                digest.update(block)
                left -= len(block)
        return digest.digest() == expected
