"""Torch's copy of oneDNN, for matrix products on processors that MKL has no fast kernels for."""

from __future__ import annotations

import torch

from ssmpeft_lib.compat.torch import has_onednn_linear
from ssmpeft_lib.ops._backends import Availability


def availability() -> Availability:
    """It is there where this build of torch has it."""
    there = has_onednn_linear()
    return Availability(there, "torch's copy of oneDNN" if there else "this build of torch has no oneDNN")


def why_unavailable(op: str, device: str, dtype: torch.dtype) -> str:
    """It is used for float32 on the CPU."""
    if (device, dtype) != ("cpu", torch.float32):
        return "it is for float32 on the CPU"
    found = availability()
    return "" if found.available else found.detail
