"""Where and by what a result was made."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import nn

from ..plan.registry import PACKAGE

LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "numpy", "nltk", "mamba-ssm")

WITHOUT_NUMBERS = ("book", "checkup", "commands", "compare", "drawing")
"""Folders of the library whose code no cell runs."""


def environment(model: nn.Module | None = None) -> dict[str, Any]:
    """Commit, machine, device, library versions, threads, scan backend and the time, for `made_by`."""
    from ..ops import backends

    device = next(model.parameters()).device if model is not None else torch.device("cpu")
    return {
        **commit(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "libraries": libraries(),
        "scan_backend": next((name for name, state in backends().items() if state.available), "torch"),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache
def commit() -> dict[str, Any]:
    """The commit that the code is at, and whether files differ from it; empty outside a checkout."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return {"commit": head, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


@cache
def code_digest() -> str:
    """SHA-256 over the sources that a cell's numbers come from: the library without its commands and pages."""
    digest = hashlib.sha256()
    for path in sorted(path for ending in ("py", "cpp", "h") for path in PACKAGE.rglob(f"*.{ending}")):
        name = path.relative_to(PACKAGE)
        if name.parts[0] not in WITHOUT_NUMBERS:
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


@cache
def libraries() -> dict[str, str]:
    """The versions of the installed libraries that a cell's numbers depend on."""
    return {name: found for name in LIBRARIES if (found := _version(name))}


@cache
def cpu_name() -> str:
    """Model name of the processor, with the number of cores at hand."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0))} cores" if hasattr(os, "sched_getaffinity") else name


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=PACKAGE, capture_output=True, encoding="utf-8", check=True
    ).stdout.strip()


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
