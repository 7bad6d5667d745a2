"""The C++ kernels of this library, compiled on first use."""

from __future__ import annotations

import logging
from functools import cache

import torch

from ssmpeft_lib.ops._backends import Availability
from ssmpeft_lib.ops._cpp import build

logger = logging.getLogger("ssmpeft_lib.ops")


@cache
def availability() -> Availability:
    """It is there where a compiler is, or what it compiled before; the first call compiles."""
    try:
        build.library()
    except build.BuildError as error:
        logger.warning("the C++ kernels are not available, the slower torch backend takes over: %s", error)
        return Availability(False, str(error))
    return Availability(True, f"compiled for {build.target()}")


def why_unavailable(op: str, device: str, dtype: torch.dtype) -> str:
    """It runs on the CPU, on all types but float16, and linear layers in float32 only."""
    if device != "cpu":
        return "it runs on the CPU only"
    if dtype == torch.float16:
        return "it has no float16"
    if op == "linear" and dtype != torch.float32:
        return "its linear layers are for float32"
    found = availability()
    return "" if found.available else found.detail
