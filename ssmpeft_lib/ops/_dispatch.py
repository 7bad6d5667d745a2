"""Which backend an op runs on, and what `auto` picks.

The environment variable `SSMPEFT_BACKEND` replaces `auto` for every op that has the backend it names; it is read when
an op is first used.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache

import torch

from ssmpeft_lib.ops._backends import Availability, known

logger = logging.getLogger("ssmpeft_lib.ops")

PREFERENCE = {"cpu": ("cpp", "onednn", "torch"), "cuda": ("mamba_ssm", "triton", "torch")}
"""Backends that `auto` tries on each type of device, best first; on any other device it takes torch."""


@cache
def backends() -> dict[str, Availability]:
    """Every backend with whether it can run here and why not; the first call may compile the C++ kernels."""
    return {name: backend.availability() for name, backend in known().items()}


def pick_backend(
    op: str, table: Mapping[str, Callable], backend: str, device: torch.device, dtype: torch.dtype
) -> Callable:
    """The function of `table` that runs `op` on tensors of this device and type.

    Raises:
        ValueError: `backend` is not a backend of this op, or cannot run here; says which are there and why.
    """
    return table[name_of_backend(op, tuple(table), backend, device.type, dtype)]


@torch.compiler.assume_constant_result
def name_of_backend(op: str, names: tuple[str, ...], backend: str, device: str, dtype: torch.dtype) -> str:
    """Name of the backend, among `names`, that `op` runs on; a constant to torch.compile."""
    return _pick(op, names, backend, device, dtype)


@cache
def _pick(op: str, names: tuple[str, ...], backend: str, device: str, dtype: torch.dtype) -> str:
    forced = os.environ.get("SSMPEFT_BACKEND")
    if backend == "auto" and forced:
        _check_known("SSMPEFT_BACKEND", forced, tuple(known()))
        backend = forced if forced in names else "auto"
    if backend != "auto":
        _check_known(f"{op}: backend", backend, names)
        if why_not := known()[backend].why_unavailable(op, device, dtype):
            raise ValueError(f"{op}: backend {backend!r} cannot run on {device} tensors of {dtype}: {why_not}")
        return backend
    reasons = []
    for name in PREFERENCE.get(device, ("torch",)):
        if name not in names:
            continue
        why_not = known()[name].why_unavailable(op, device, dtype)
        if not why_not:
            detail = "; ".join([known()[name].availability().detail, *reasons])
            logger.info("%s of %s on %s runs on the %s backend (%s)", op, dtype, device, name, detail)
            return name
        reasons.append(f"not {name}: {why_not}")
    raise ValueError(f"{op}: no backend can run on {device} tensors of {dtype}: {'; '.join(reasons)}")


def _check_known(what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{what} is {name!r}, expected 'auto' or one of {', '.join(names)}{hint}")
