"""Triton's kernels: on CUDA, and on any processor through Triton's interpreter, for tests."""

from __future__ import annotations

import importlib.util
import os

import torch

from ssmpeft_lib.ops._backends import Availability


def interpreted() -> bool:
    """Whether Triton's kernels run in Python here."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def availability() -> Availability:
    """It is there where Triton and a CUDA device are, or its interpreter is asked for."""
    if not importlib.util.find_spec("triton"):
        return Availability(False, "the module triton is not installed")
    if interpreted():
        return Availability(True, "in Triton's interpreter")
    return Availability(True, "CUDA") if torch.cuda.is_available() else Availability(False, "there is no CUDA device")


def why_unavailable(op: str, device: str, dtype: torch.dtype) -> str:
    """It runs on CUDA, and on anything in the interpreter."""
    if device != "cuda" and not interpreted():
        return "it runs on CUDA only"
    found = availability()
    return "" if found.available else found.detail
