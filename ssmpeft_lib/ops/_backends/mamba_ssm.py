"""The CUDA packages of the authors of Mamba: `mamba_ssm` and `causal_conv1d`."""

from __future__ import annotations

import importlib.util

import torch

from ssmpeft_lib.ops._backends import Availability

MODULES = {"selective_scan": "selective_scan_cuda", "causal_conv1d": "causal_conv1d_cuda", "ssd_scan": "mamba_ssm"}
"""The module that each op needs; builds of mamba_ssm without `MAMBA_KEEP_CUDA_BUILD=TRUE` lack the first."""


def availability() -> Availability:
    """It is there where a module of one op is, and a CUDA device; says which ops and what is missing."""
    missing = {op: _missing(op) for op in MODULES}
    usable = [op for op, why in missing.items() if not why]
    reasons = "; ".join(dict.fromkeys(filter(None, missing.values())))
    return Availability(bool(usable), f"{', '.join(usable) or 'no op'}{reasons and f' ({reasons})'}")


def why_unavailable(op: str, device: str, dtype: torch.dtype) -> str:
    """It runs on CUDA, on all types but float64."""
    if device != "cuda":
        return "it runs on CUDA only"
    if dtype == torch.float64:
        return "it has no float64"
    return _missing(op)


def _missing(op: str) -> str:
    """What an op lacks here; empty where it lacks nothing."""
    if not torch.cuda.is_available():
        return "there is no CUDA device"
    module = MODULES[op]
    return "" if importlib.util.find_spec(module) else f"the module {module} is not installed"
