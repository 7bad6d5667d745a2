"""Where the CUDA packages of the authors of Mamba are installed: `mamba_ssm` and `causal_conv1d`."""

from __future__ import annotations

import importlib.util

import torch

MODULES = {"selective_scan": "selective_scan_cuda", "causal_conv1d": "causal_conv1d_cuda", "ssd_scan": "mamba_ssm"}
"""The module that each op needs; builds of mamba_ssm without `MAMBA_KEEP_CUDA_BUILD=TRUE` lack the first."""


def obstacle(op: str) -> str:
    """Why this backend cannot run `op` here; empty where it can."""
    if not torch.cuda.is_available():
        return "there is no CUDA device"
    module = MODULES[op]
    return "" if importlib.util.find_spec(module) else f"the module {module} is not installed"
