"""Backends, one file each: each says itself whether it can run here, and why it cannot run an op.

A file of this folder has what `Backend` says. What a backend computes lies in the folder of each op, in a file of the
backend's name, and stands in the op's table of backends; where it is tried before others is said in `PREFERENCE`
(_dispatch.py).
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch


@dataclass(frozen=True)
class Availability:
    """Whether a backend can run here, and in words how or why not."""

    available: bool
    detail: str


class Backend(Protocol):
    """What a file of this folder has."""

    def availability() -> Availability:
        """Whether it can run anything here; the first call may take long, as to compile it."""

    def why_unavailable(op: str, device: str, dtype: torch.dtype) -> str:
        """Why it cannot run an op on tensors of a type of device and of numbers; empty where it can."""


@cache
def known() -> dict[str, Backend]:
    """Every backend, by the name of its file."""
    return {found.name: importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)}
