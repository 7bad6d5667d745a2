"""Which backend an op runs on: what is available here and why not, and what `auto` picks.

The environment variable `SSMPEFT_BACKEND` replaces `auto` for every op that has the backend it names; it is read when
an op is first used.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

import torch

from ssmpeft_lib.compat.torch import has_onednn_linear
from ssmpeft_lib.ops import _mamba_ssm, _triton
from ssmpeft_lib.ops._cpp import build

logger = logging.getLogger("ssmpeft_lib.ops")

PREFERENCE = {"cpu": ("cpp", "onednn", "torch"), "cuda": ("mamba_ssm", "triton", "torch")}
"""Backends that `auto` tries on each type of device, best first; on any other device it takes torch."""


@dataclass(frozen=True)
class Availability:
    """Whether a backend can run here, and in words how or why not."""

    available: bool
    detail: str


@cache
def backends() -> dict[str, Availability]:
    """Every backend with whether it can run here and why not; the first call may compile the C++ kernels."""
    return {
        "cpp": _of_cpp(),
        "mamba_ssm": _of_mamba_ssm(),
        "triton": _of_triton(),
        "onednn": _of_onednn(),
        "torch": Availability(True, "any device"),
        "naive": Availability(True, "the reference, any device"),
    }


def _of_cpp() -> Availability:
    try:
        build.library()
    except build.BuildError as error:
        logger.warning("the C++ kernels are not available, the slower torch backend takes over: %s", error)
        return Availability(False, str(error))
    return Availability(True, f"compiled for {build.target()}")


def _of_mamba_ssm() -> Availability:
    obstacles = {op: _mamba_ssm.obstacle(op) for op in _mamba_ssm.MODULES}
    usable = [op for op, obstacle in obstacles.items() if not obstacle]
    missing = "; ".join(dict.fromkeys(obstacle for obstacle in obstacles.values() if obstacle))
    return Availability(bool(usable), f"{', '.join(usable) or 'no op'}{missing and f' ({missing})'}")


def _of_triton() -> Availability:
    obstacle = _triton.obstacle()
    return Availability(not obstacle, obstacle or ("in Triton's interpreter" if _triton.interpreted() else "CUDA"))


def _of_onednn() -> Availability:
    there = has_onednn_linear()
    return Availability(there, "torch's copy of oneDNN" if there else "this build of torch has no oneDNN")


def resolve(op: str, table: Mapping[str, Callable], backend: str, device: torch.device, dtype: torch.dtype) -> Callable:
    """The function of `table` that runs `op` on tensors of this device and type.

    Raises:
        ValueError: `backend` is not a backend of this op, or cannot run here; says which are there and why.
    """
    return table[chosen(op, tuple(table), backend, device.type, dtype)]


@torch.compiler.assume_constant_result
def chosen(op: str, names: tuple[str, ...], backend: str, device: str, dtype: torch.dtype) -> str:
    """Name of the backend, among `names`, that `op` runs on; a constant to torch.compile."""
    return _choose(op, names, backend, device, dtype)


@cache
def _choose(op: str, names: tuple[str, ...], backend: str, device: str, dtype: torch.dtype) -> str:
    forced = os.environ.get("SSMPEFT_BACKEND")
    if backend == "auto" and forced:
        _check_known("SSMPEFT_BACKEND", forced, tuple(backends()))
        backend = forced if forced in names else "auto"
    if backend == "auto":
        return _best(op, names, device, dtype)
    _check_known(f"{op}: backend", backend, names)
    why_not = _obstacle(op, backend, device, dtype)
    if why_not:
        raise ValueError(f"{op}: backend {backend!r} cannot run on {device} tensors of {dtype}: {why_not}")
    return backend


def _best(op: str, names: tuple[str, ...], device: str, dtype: torch.dtype) -> str:
    """The first backend in order of preference that can run; the choice and its reasons are logged."""
    reasons = []
    for name in PREFERENCE.get(device, ("torch",)):
        if name not in names:
            continue
        why_not = _obstacle(op, name, device, dtype)
        if not why_not:
            reasons.insert(0, backends()[name].detail)
            logger.info("%s of %s on %s runs on the %s backend (%s)", op, dtype, device, name, "; ".join(reasons))
            return name
        reasons.append(f"not {name}: {why_not}")
    raise ValueError(f"{op}: no backend can run on {device} tensors of {dtype}: {'; '.join(reasons)}")


def _check_known(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{what} is {name!r}, expected 'auto' or one of {', '.join(known)}{hint}")


def _obstacle(op: str, backend: str, device: str, dtype: torch.dtype) -> str:
    """Why `backend` cannot run `op` on tensors of this device and type; empty where it can."""
    if backend == "cpp":
        if device != "cpu":
            return "it runs on the CPU only"
        if dtype == torch.float16:
            return "it has no float16"
        if op == "linear" and dtype != torch.float32:
            return "its linear layers are for float32"
    if backend == "onednn" and (device, dtype) != ("cpu", torch.float32):
        return "it is for float32 on the CPU"
    if backend == "triton" and device != "cuda" and not _triton.interpreted():
        return "it runs on CUDA only"
    if backend == "mamba_ssm":
        if device != "cuda":
            return "it runs on CUDA only"
        if dtype == torch.float64:
            return "it has no float64"
        return _mamba_ssm.obstacle(op)
    status = backends()[backend]
    return "" if status.available else status.detail
