"""The ops on a CUDA device: torch's backend against the CPU, and mamba_ssm's against torch's."""

from __future__ import annotations

import pytest
import torch
from ops_inputs import assert_close, outputs_and_gradients, scan_inputs, transposed

from ssmpeft_lib import ops
from ssmpeft_lib.ops._backends import mamba_ssm

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


def inputs_of(op: str) -> dict:
    torch.manual_seed(0)
    if op == "selective_scan":
        return scan_inputs(2, 64, 16, 70, torch.float32)
    if op == "causal_conv1d":
        tensors = {"x": transposed(2, 64, 70), "weight": torch.randn(64, 4), "bias": torch.randn(64)}
        tensors["initial_columns"] = torch.randn(1, 64, 3)
    else:
        x, delta = torch.randn(2, 128, 4, 32), torch.randn(2, 128, 4)
        B, C = torch.randn(2, 2, 128, 1, 64)
        tensors = {"x": x, "delta": delta, "A": -torch.rand(4), "B": B, "C": C, "D": torch.randn(4)}
        tensors["initial_state"] = torch.randn(1, 4, 32, 64)
    return {name: tensor.float().requires_grad_() for name, tensor in tensors.items()}


def results(op: str, backend: str, device: str) -> dict:
    inputs = {name: tensor.detach().to(device).requires_grad_() for name, tensor in inputs_of(op).items()}
    options = {} if op == "causal_conv1d" else {"delta_softplus": True}

    def run(**given):
        return (getattr(ops, op)(**given, **options, backend=backend),)

    return {name: tensor.cpu() for name, tensor in outputs_and_gradients(run, inputs).items()}


@pytest.mark.parametrize("op", mamba_ssm.MODULES)
def test_torch_gives_on_the_device_what_it_gives_on_the_cpu(op):
    assert_close(results(op, "torch", "cuda"), results(op, "torch", "cpu"), 1e-4)


@pytest.mark.parametrize("op", mamba_ssm.MODULES)
def test_mamba_ssm_gives_what_torch_gives(op):
    if obstacle := mamba_ssm.why_unavailable(op, "cuda", torch.float32):
        pytest.skip(obstacle)
    assert_close(results(op, "mamba_ssm", "cuda"), results(op, "torch", "cuda"), 1e-3)
