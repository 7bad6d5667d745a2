"""Plain torch, which runs on any device."""

from __future__ import annotations

import torch

from ssmpeft_lib.ops._backends import Availability


def availability() -> Availability:
    """It is always there."""
    return Availability(True, "any device")


def why_unavailable(op: str, device: str, dtype: torch.dtype) -> str:
    """It runs everything."""
    return ""
