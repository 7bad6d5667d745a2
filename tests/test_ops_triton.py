"""The selective scan in Triton against the naive form: on a CUDA device where there is one, else in the interpreter.

The interpreter takes a tenth of a second for every few numbers, so sizes are toys and tiles are small.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from ops_inputs import assert_close, outputs_and_gradients, scan_inputs
from required import missing, torch_compiles
from torch.utils.checkpoint import checkpoint

from ssmpeft_lib.ops import selective_scan
from ssmpeft_lib.ops._backends import triton as backend
from ssmpeft_lib.ops.selective_scan import triton as triton_scan

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

if obstacle := backend.why_unavailable("selective_scan", DEVICE, torch.float32):
    missing("triton", obstacle)

SEQUENCES = ("u", "delta", "B", "C", "z")


@pytest.fixture(autouse=True)
def _triton(monkeypatch):
    """Small tiles for the interpreter."""
    torch.manual_seed(0)
    if DEVICE == "cpu":
        monkeypatch.setattr(triton_scan, "CHANNELS", 2)
        monkeypatch.setattr(triton_scan, "STEPS", 4)


def scan(backend, **options):
    def run(**inputs):
        return selective_scan(**inputs, delta_softplus=True, return_last_state=True, backend=backend, **options)

    return run


def inputs_of(*sizes: int, dtype: torch.dtype = torch.float64) -> dict:
    made = scan_inputs(*sizes, dtype).items()
    return {name: tensor.detach().to(DEVICE).requires_grad_() for name, tensor in made}


def compare(inputs, bound, run=scan):
    expected = outputs_and_gradients(run("naive"), {n: t.detach().double().requires_grad_() for n, t in inputs.items()})
    assert_close(outputs_and_gradients(run("triton"), inputs), expected, bound)


@pytest.mark.parametrize("batch, d_inner, d_state, seq_len", [(1, 1, 1, 1), (2, 3, 3, 5), (1, 2, 5, 8), (1, 4, 2, 13)])
def test_equals_the_naive_form(batch, d_inner, d_state, seq_len):
    compare(inputs_of(batch, d_inner, d_state, seq_len), 1e-12)


@pytest.mark.parametrize("dtype, bound", [(torch.float32, 5e-6), (torch.bfloat16, 1.6e-2)])
def test_error_bounds(dtype, bound):
    inputs = inputs_of(1, 3, 4, 9, dtype=dtype)
    compare(inputs, bound)
    y, last_state = scan("triton")(**inputs)
    assert (y.dtype, last_state.dtype) == (dtype, torch.float32)


@pytest.mark.parametrize("missing", ["D", "z", "delta_bias", "initial_state"])
def test_each_optional_input_may_be_missing(missing):
    inputs = inputs_of(1, 3, 2, 5)
    del inputs[missing]
    compare(inputs, 1e-12)


def test_without_softplus_or_last_state():
    inputs = inputs_of(1, 3, 2, 5)
    inputs["delta"] = inputs["delta"].detach().abs().requires_grad_()
    compare(inputs, 1e-12, lambda backend: lambda **given: (selective_scan(**given, backend=backend),))


def test_an_initial_state_for_each_sequence():
    inputs = inputs_of(2, 2, 3, 5)
    inputs["initial_state"] = torch.randn(2, 2, 3, dtype=torch.float64, device=DEVICE, requires_grad=True)
    compare(inputs, 1e-12)


def test_any_strides():
    inputs = {name: tensor.detach().contiguous().requires_grad_() for name, tensor in inputs_of(2, 3, 2, 5).items()}
    compare(inputs, 1e-12)
    for name in SEQUENCES:
        inputs[name] = inputs[name].detach()[:1].expand(2, -1, -1).requires_grad_()
    compare(inputs, 1e-12)


def test_masked_steps_change_nothing():
    """Left padding: the state is carried through bit for bit, and gradients stay finite."""
    inputs = inputs_of(1, 2, 2, 9, dtype=torch.float32)
    delta = inputs["delta"].detach().clone()
    delta[:, :, :5] = float("-inf")
    inputs["delta"] = delta.requires_grad_()
    masked = outputs_and_gradients(scan("triton"), inputs)
    _, carried = scan("triton")(**{name: t[..., :5] if name in SEQUENCES else t for name, t in inputs.items()})
    assert torch.equal(carried, inputs["initial_state"].expand_as(carried))
    assert all(tensor.isfinite().all() for tensor in masked.values())
    assert not masked["gradient of delta"][..., :5].any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["u", "delta"])
def test_nan_and_inf_propagate(value, name):
    inputs = {key: tensor.detach() for key, tensor in inputs_of(1, 3, 2, 5, dtype=torch.float32).items()}
    inputs[name] = inputs[name].clone()
    inputs[name][0, 1, 2] = value
    for got, expected in zip(scan("triton")(**inputs), scan("naive")(**inputs), strict=True):
        torch.testing.assert_close(got, expected, equal_nan=True, rtol=1e-4, atol=1e-4)


def test_huge_steps_forget_everything():
    inputs = inputs_of(1, 2, 2, 5, dtype=torch.float32)
    inputs["delta"] = torch.full((1, 2, 5), 1e4, device=DEVICE, requires_grad=True)
    compare(inputs, 5e-6)


@pytest.mark.parametrize("batch, d_inner, seq_len", [(0, 4, 5), (2, 4, 0), (2, 0, 5)])
def test_empty_inputs(batch, d_inner, seq_len):
    compare(inputs_of(batch, d_inner, 3, seq_len), 0.0)


def test_only_what_needs_a_gradient_gets_one():
    inputs = inputs_of(1, 2, 2, 5)
    for name in ("A", "D", "delta_bias", "initial_state"):
        inputs[name].requires_grad_(False)
    y, _ = scan("triton")(**inputs)
    y.sum().backward()
    assert {name for name, tensor in inputs.items() if tensor.grad is not None} == set(SEQUENCES)


@torch_compiles
def test_registration():
    inputs = inputs_of(1, 2, 2, 5, dtype=torch.float32)
    schema_and_fakes = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(
        torch.ops.ssmpeft.scan_triton.default, (*inputs.values(), None, True, True), test_utils=schema_and_fakes
    )


@torch_compiles
def test_compiles_into_one_graph_and_can_be_checkpointed():
    inputs = inputs_of(1, 2, 2, 5)
    run = scan("triton")
    expected = outputs_and_gradients(run, inputs)
    assert_close(
        outputs_and_gradients(torch.compile(run, fullgraph=True, backend="aot_eager"), inputs), expected, 1e-13
    )
    recomputed = outputs_and_gradients(lambda **given: checkpoint(run, **given, use_reentrant=False), inputs)
    assert_close(recomputed, expected, 1e-13)


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from ssmpeft_lib.ops.selective_scan import _triton_kernels as triton_kernels
from ssmpeft_lib.ops.selective_scan import triton as triton_scan

inputs = {"u", "delta", "z", "B", "C", "out", "grad_out", "grad_u", "grad_delta", "grad_z"}
warps = {triton_kernels.forward: triton_scan.FORWARD_WARPS, triton_kernels.backward: triton_scan.BACKWARD_WARPS}
for kernel, count in warps.items():
    names = kernel.arg_names
    first = names.index("channels")
    signature = {name: "i32" for name in names}
    signature |= {name: "*bf16" if name in inputs else "*fp32" for name in names[:first]}
    constants = {name: 16 if name in ("CHANNELS", "STEPS", "STATES") else True for name in names if name.isupper()}
    constants = {name: value for name, value in constants.items() if name not in "ABCD"}
    signature |= dict.fromkeys(constants, "constexpr")
    source = triton.compiler.ASTSource(kernel, signature, {(names.index(name),): v for name, v in constants.items()})
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": count})
    assert compiled.asm["cubin"]
"""


@pytest.mark.slow
def test_compiles_for_a_device_that_is_not_here(tmp_path):
    """Triton brings its own compiler, down to the machine code of an H100."""
    variables = {**os.environ, "TRITON_INTERPRET": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    variables["TRITON_CACHE_DIR"] = str(tmp_path)
    result = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, encoding="utf-8", env=variables)
    assert result.returncode == 0, result.stderr


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="there is no CUDA device")
@pytest.mark.parametrize("dtype, bound", [(torch.float32, 2e-5), (torch.bfloat16, 1.6e-2)])
@pytest.mark.parametrize("d_state, seq_len", [(16, 300), (17, 64), (64, 33)])
def test_real_sizes_on_the_device(dtype, bound, d_state, seq_len):
    compare(inputs_of(2, 200, d_state, seq_len, dtype=dtype), bound)
