"""One cell on one GPU: a cell takes a GPU of this machine that no other cell has, or waits for one."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..plan.snakemake.resources import visible_gpus

WAIT_SECONDS = 1.0


@contextmanager
def own_gpu(wanted: bool = True) -> Iterator[str | None]:
    """Within it, CUDA_VISIBLE_DEVICES names one GPU that nobody else has who asks like this.

    A lock on a file stands for each GPU; the system frees it however the process ends. Nothing happens without a GPU,
    or where none is wanted.

    Yields:
        the GPU, or None.
    """
    gpus = visible_gpus() if wanted else []
    if not gpus:
        yield None
        return
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpu, lock = _take(gpus)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        yield gpu
    finally:
        os.close(lock)
        if before is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


def _take(gpus: list[str]) -> tuple[str, int]:
    folder = Path(tempfile.gettempdir(), f"ssmpeft-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        for gpu in gpus:
            # not inherited, or a kernel that lives on would keep the GPU
            lock = os.open(folder / gpu.replace("/", "_"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return gpu, lock
            except BlockingIOError:
                os.close(lock)
        time.sleep(WAIT_SECONDS)
