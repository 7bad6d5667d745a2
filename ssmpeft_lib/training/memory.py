"""The most memory that a training needs at once."""

from __future__ import annotations

import os

import torch


class PeakMemory:
    """Peak memory between `start` and `stop`.

    On a GPU, of PyTorch's allocator, weights included. On a CPU, the growth of the process's resident set above what
    it held at `start` (libraries, the frozen weights), where the system tells it; nothing otherwise.

    Attributes:
        peak_bytes: what was found, or None.
    """

    def __init__(self) -> None:
        self.peak_bytes: int | None = None
        self._before = 0

    def start(self) -> None:
        """Begin to watch."""
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.reset_peak_memory_stats()
            return
        try:
            # resets the peak of the resident set
            with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
                file.write("5")
            self._before = _status("VmRSS")
        except OSError:
            self._before = 0

    def stop(self) -> None:
        """Read the peak."""
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            self.peak_bytes = torch.cuda.max_memory_allocated()
        elif self._before and os.path.exists("/proc/self/status"):
            self.peak_bytes = _status("VmHWM") - self._before


def _status(name: str) -> int:
    with open("/proc/self/status", encoding="utf-8") as file:
        line = next(line for line in file if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024
