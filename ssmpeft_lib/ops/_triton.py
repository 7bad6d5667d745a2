"""Where Triton's kernels can run: on CUDA, and on any processor through Triton's interpreter, for tests."""

from __future__ import annotations

import importlib.util
import os

import torch


def interpreted() -> bool:
    """Whether Triton's kernels run in Python here."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def obstacle() -> str:
    """Why this backend cannot run here; empty where it can."""
    if not importlib.util.find_spec("triton"):
        return "the module triton is not installed"
    return "" if torch.cuda.is_available() or interpreted() else "there is no CUDA device"
