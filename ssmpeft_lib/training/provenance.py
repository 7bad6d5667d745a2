"""Where and by what a result was made."""

from __future__ import annotations

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

WITH_NUMBERS = ("ssmpeft_lib", "notebooks")
"""Folders of a clone whose files, known to git or not, results may come from."""

MOST_NAMES = 20
"""How many changed files are named; more than that is another branch."""

LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "numpy", "nltk", "mamba-ssm")


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
    """The commit that the code is at, whether files differ from it, and which; empty outside a checkout.

    Files that git does not know count where numbers may come from them: in the library, and among the notebooks.
    """
    try:
        # a library that is installed inside another repository is not at that one's commit
        _git("ls-files", "--error-unmatch", f"{PACKAGE.name}/__init__.py")
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("diff", "--name-only", "-z", "HEAD", "--", ".")
        added = _git("ls-files", "-z", "--others", "--exclude-standard", "--", *WITH_NUMBERS)
    except (OSError, subprocess.CalledProcessError):
        return {}
    names = sorted(filter(None, f"{changed}\0{added}".split("\0")))
    return {"commit": head, "dirty": bool(names), **({"changed_files": names[:MOST_NAMES]} if names else {})}


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
        ["git", *arguments],
        cwd=PACKAGE.parent,
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        check=True,
    ).stdout.strip()


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
