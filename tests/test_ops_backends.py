"""Which backend runs, and what happens where it cannot: no compiler, many processes at once, forks, CUDA packages."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from ops_inputs import assert_close, need, outputs_and_gradients, scan_inputs

from ssmpeft_lib import ops
from ssmpeft_lib.ops import _dispatch as dispatch
from ssmpeft_lib.ops._cpp import build
from ssmpeft_lib.ops.conv import mamba_ssm as conv_mamba_ssm
from ssmpeft_lib.ops.selective_scan import mamba_ssm as scan_mamba_ssm
from ssmpeft_lib.ops.ssd import mamba_ssm as ssd_mamba_ssm

REPOSITORY = Path(__file__).resolve().parent.parent

SCAN = """
import logging, torch
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
from ssmpeft_lib import ops
torch.manual_seed(0)
x, B, A = torch.randn(2, 7, 20), torch.randn(2, 7, 3), -torch.rand(20, 3)
x, B = x.transpose(1, 2), B.transpose(1, 2)
for _ in range(2):
    y = ops.selective_scan(x, x, A, B, B, delta_softplus=True)
ops.causal_conv1d(x, torch.randn(20, 4))
print("checksum", y.sum().item(), "cpp", ops.backends()["cpp"].available)
"""


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "2", **environment}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=variables, timeout=300
    )


@pytest.fixture
def choices():
    """Fresh choices of backends, before and after."""
    dispatch._pick.cache_clear()
    yield
    dispatch._pick.cache_clear()


def test_every_backend_says_whether_and_why():
    listed = ops.backends()
    assert set(listed) == {"cpp", "mamba_ssm", "triton", "onednn", "torch", "naive"}
    assert listed["torch"].available and listed["naive"].available
    assert all(status.detail for status in listed.values())


def test_auto_says_once_what_it_chose(choices, caplog):
    inputs = scan_inputs(1, 4, 2, 3)
    with caplog.at_level(logging.INFO, logger="ssmpeft_lib.ops"):
        for _ in range(3):
            ops.selective_scan(**inputs)
    (message,) = [record.getMessage() for record in caplog.records if "selective_scan" in record.getMessage()]
    assert message.startswith("selective_scan of torch.float64 on cpu runs on the ")


def test_float16_falls_back_to_torch(choices, caplog):
    x, weight = torch.randn(1, 4, 6, dtype=torch.float16), torch.randn(4, 4)
    with caplog.at_level(logging.INFO, logger="ssmpeft_lib.ops"):
        y = ops.causal_conv1d(x, weight)
    assert "the torch backend (any device; not cpp: it has no float16)" in caplog.text
    torch.testing.assert_close(y, ops.causal_conv1d(x.float(), weight).half(), rtol=2e-3, atol=2e-3)


def test_the_environment_can_force_a_backend(choices, monkeypatch, caplog):
    monkeypatch.setenv("SSMPEFT_BACKEND", "naive")
    asked = dispatch.name_of_backend
    assert asked("selective_scan", ("cpp", "torch", "naive"), "auto", "cpu", torch.float32) == "naive"
    # an op that has no such backend keeps its own choice, and an explicit argument wins
    assert asked("selective_state_step", ("torch",), "auto", "cpu", torch.float32) == "torch"
    assert asked("selective_scan", ("cpp", "torch", "naive"), "torch", "cpu", torch.float32) == "torch"
    dispatch._pick.cache_clear()
    monkeypatch.setenv("SSMPEFT_BACKEND", "navie")
    with pytest.raises(ValueError, match="SSMPEFT_BACKEND is 'navie', expected .*; did you mean 'naive'"):
        ops.causal_conv1d(torch.randn(1, 2, 3), torch.randn(2, 4))


def test_unknown_and_unusable_backends_are_named():
    x, weight = torch.randn(1, 2, 3), torch.randn(2, 4)
    with pytest.raises(ValueError, match="backend is 'cuda', expected .auto. or one of cpp, mamba_ssm, torch, naive"):
        ops.causal_conv1d(x, weight, backend="cuda")
    with pytest.raises(
        ValueError, match="'mamba_ssm' cannot run on cpu tensors of torch.float32: it runs on CUDA only"
    ):
        ops.causal_conv1d(x, weight, backend="mamba_ssm")
    with pytest.raises(ValueError, match="'cpp' cannot run on cpu tensors of torch.float16: it has no float16"):
        ops.causal_conv1d(x.half(), weight, backend="cpp")


@pytest.mark.slow
def test_without_a_compiler_torch_takes_over(tmp_path):
    result = run_python(SCAN, PATH=str(tmp_path), CXX="", SSMPEFT_CACHE_DIR=str(tmp_path / "cache"))
    assert result.returncode == 0, result.stderr
    assert "cpp False" in result.stdout
    (warning,) = [line for line in result.stderr.splitlines() if line.startswith("WARNING")]
    assert "no C++ compiler" in warning and "install g++ or clang++, or set CXX" in warning


def test_a_compiler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler --flag")
    with pytest.raises(build.BuildError, match="looked for .CXX = 'no-such-compiler --flag'"):
        build.compiler()


def test_a_compiler_that_fails_is_quoted(tmp_path, monkeypatch, caplog):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'cannot do that' >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    monkeypatch.setenv("SSMPEFT_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(build.BuildError, match="failed: cannot do that"):
        build.compiled("baseline")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] in ([], [".lock"])
    # without any logging set up, too: whoever waits is told what for, and how long
    (told,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert re.search(r"compiling the C\+\+ kernels .* this takes .* minutes, once", told.getMessage())


@pytest.mark.slow
def test_a_compiler_without_openmp_will_do(tmp_path, monkeypatch):
    need("cpp")
    plain = tmp_path / "plain"
    plain.write_text(
        f'#!/bin/sh\ncase "$*" in *-fopenmp*) exit 1;; esac\n{build.compiler()[0]} "$@" -O0\n', encoding="utf-8"
    )
    plain.chmod(0o755)
    monkeypatch.setenv("CXX", str(plain))
    monkeypatch.setenv("SSMPEFT_CACHE_DIR", str(tmp_path / "cache"))
    kernels = ctypes.CDLL(str(build.compiled(build.target())))
    assert all(hasattr(kernels, name) for name in ("selective_scan_forward", "causal_conv1d_step", "ssd_state_step"))


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    need("cpp")
    (tmp_path / "file").touch()
    monkeypatch.setenv("SSMPEFT_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(build.BuildError, match="set SSMPEFT_CACHE_DIR to a folder that can be written"):
        build.compiled("baseline")


@pytest.mark.slow
def test_processes_that_start_at_once_build_once(tmp_path):
    need("cpp")
    builds, cache, counter = tmp_path / "builds", tmp_path / "cache", tmp_path / "counter"
    # counts its runs, and compiles without optimisation to be quick
    counter.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] || echo x >> {builds}\n{build.compiler()[0]} "$@" -O0\n', encoding="utf-8"
    )
    counter.chmod(0o755)
    environment = {"CXX": str(counter), "SSMPEFT_CACHE_DIR": str(cache)}
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: run_python(SCAN, **environment), range(2)))
    assert [result.returncode for result in results] == [0, 0], results
    assert results[0].stdout == results[1].stdout and "cpp True" in results[0].stdout
    assert builds.read_text(encoding="utf-8") == "x\n"
    assert sorted(path.suffix for path in cache.iterdir()) in ([".lock", ".sha256", ".so"], [".sha256", ".so"])


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_instruction_sets_below_this_processors(capability):
    """The scan's own tests, on kernels compiled for older processors."""
    need("cpp")
    variables = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
    tests = [
        str(REPOSITORY / "tests" / name) for name in ("test_ops_scan.py", "test_ops_conv.py", "test_ops_decoding.py")
    ]
    result = subprocess.run([sys.executable, "-m", "pytest", "-q", "-k", "cpp", *tests], env=variables, cwd=REPOSITORY)
    assert result.returncode == 0


LARGE = """
import os, sys, torch
from ssmpeft_lib import ops
torch.set_num_threads(2)
x, B, A = torch.randn(4, 64, 256).transpose(1, 2), torch.randn(4, 64, 16).transpose(1, 2), -torch.rand(256, 16)
scan = lambda: ops.selective_scan(x, x, A, B, B, delta_softplus=True)
expected = scan()
"""


@pytest.mark.slow
def test_a_fork_after_parallel_use_does_not_hang():
    need("cpp")
    code = (
        LARGE
        + """
child = os.fork()
if not child:
    # torch's own parallel functions would hang here
    os._exit(0 if scan().numpy().tobytes() == expected.numpy().tobytes() else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_workers_of_a_data_loader():
    need("cpp")
    code = (
        LARGE
        + """
from torch.utils.data import DataLoader
class Scans(torch.utils.data.Dataset):
    def __len__(self): return 4
    def __getitem__(self, index): return scan()
loader = DataLoader(Scans(), batch_size=None, num_workers=2, multiprocessing_context="fork")
sys.exit(not all(torch.equal(y, expected) for y in loader))
"""
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr


def test_threads_of_python():
    need("cpp")
    inputs = {name: tensor.detach() for name, tensor in scan_inputs(2, 100, 16, 40, torch.float32).items()}
    expected = ops.selective_scan(**inputs, delta_softplus=True, backend="cpp")
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(ops.selective_scan, **inputs, delta_softplus=True, backend="cpp") for _ in range(8)]
    results = [task.result() for task in tasks]
    assert all(torch.equal(y, expected) for y in results)


@pytest.fixture
def fake_mamba_ssm(monkeypatch):
    """mamba_ssm's and causal_conv1d's functions as their reference code defines them, to test what is around them."""

    def selective_scan_fn(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state):
        assert return_last_state
        y, last_state = ops.selective_scan(
            u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state=True, backend="naive"
        )
        return y.contiguous(), last_state

    def causal_conv1d_fn(x, weight, bias=None, seq_idx=None, initial_states=None, activation=None):
        assert seq_idx is None or (initial_states is None and seq_idx.dtype == torch.int32 and x.stride(1) == 1)
        assert initial_states is None or x.stride(1) == initial_states.stride(1) == 1
        return ops.causal_conv1d(x, weight, bias, activation, initial_states, seq_idx, backend="naive").contiguous()

    def mamba_chunk_scan_combined(
        x, dt, A, B, C, chunk_size, D, dt_bias, initial_states, seq_idx, dt_softplus, dt_limit, return_final_states
    ):
        assert initial_states is None or (seq_idx is None and initial_states.shape[0] == x.shape[0])
        assert seq_idx is None or seq_idx.dtype == torch.int32
        options = {"return_last_state": return_final_states, "seq_idx": seq_idx, "backend": "naive"}
        return ops.ssd_scan(x, dt, A, B, C, D, dt_bias, dt_softplus, dt_limit, initial_states, **options)

    modules = {
        "mamba_ssm.ops.selective_scan_interface": {"selective_scan_fn": selective_scan_fn},
        "mamba_ssm.ops.triton.ssd_combined": {"mamba_chunk_scan_combined": mamba_chunk_scan_combined},
        "causal_conv1d": {"causal_conv1d_fn": causal_conv1d_fn},
    }
    for name, functions in modules.items():
        for parent in (name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)):
            monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
        for function, value in functions.items():
            setattr(sys.modules[name], function, value)


def test_mamba_ssm_with_an_initial_state(fake_mamba_ssm):
    inputs = scan_inputs(2, 5, 3, 7, torch.float32)

    def theirs(**given):
        return (scan_mamba_ssm.selective_scan(**given, delta_softplus=True)[0],)

    def reference(**given):
        return (ops.selective_scan(**given, delta_softplus=True, backend="naive"),)

    assert_close(outputs_and_gradients(theirs, inputs), outputs_and_gradients(reference, inputs), 1e-5)


def test_mamba_ssm_refuses_the_gradient_it_would_drop(fake_mamba_ssm):
    inputs = scan_inputs(2, 5, 3, 7, torch.float32)
    y, last_state = scan_mamba_ssm.selective_scan(**inputs, delta_softplus=True)
    _, expected = ops.selective_scan(**inputs, delta_softplus=True, return_last_state=True, backend="naive")
    torch.testing.assert_close(last_state, expected)
    y.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="no gradient of the scan's last state; pass backend='triton' or 'torch'"):
        last_state.sum().backward()


def test_causal_conv1d_with_initial_columns(fake_mamba_ssm):
    x, weight, columns = torch.randn(2, 6, 9), torch.randn(6, 4), torch.randn(1, 6, 3)
    for given in (columns, None):
        y = conv_mamba_ssm.causal_conv1d(x, weight, None, "silu", given)
        torch.testing.assert_close(y, ops.causal_conv1d(x, weight, None, "silu", given, backend="naive"))
    wide = torch.randn(6, 7)
    torch.testing.assert_close(
        conv_mamba_ssm.causal_conv1d(x, wide, None, None, None), ops.causal_conv1d(x, wide, None, None)
    )


@pytest.mark.parametrize("learned", [False, True])
def test_documents_with_kernels_that_have_them_or_an_initial_value(fake_mamba_ssm, learned):
    seq_idx = torch.tensor([[0, 0, 0, 1, 1, 0, 0, 2, 2], [5] * 9])
    starts = torch.tensor([[1, 0, 0, 1, 0, 1, 0, 1, 0], [1, *[0] * 8]]).bool()
    x, weight, columns = torch.randn(2, 6, 9), torch.randn(6, 4), torch.randn(1, 6, 3) if learned else None
    y = conv_mamba_ssm.causal_conv1d(x, weight, None, "silu", columns, starts)
    torch.testing.assert_close(y, ops.causal_conv1d(x, weight, None, "silu", columns, seq_idx, backend="naive"))
    x, delta, B = torch.randn(2, 9, 4, 3), torch.rand(2, 9, 4), torch.randn(2, 9, 2, 5)
    A, bias, state = -torch.rand(4), torch.randn(4), torch.randn(1, 4, 3, 5) if learned else None
    inputs = (x, delta, A, B, B, None, bias, True, (0.1, 1.0), state)
    expected = ops.ssd_scan(*inputs, return_last_state=True, seq_idx=seq_idx, backend="naive")
    torch.testing.assert_close(ssd_mamba_ssm.ssd_scan(*inputs, 64, starts), expected)


def test_mamba2_scan_of_mamba_ssm(fake_mamba_ssm):
    x, delta, B = torch.randn(2, 9, 4, 3), torch.rand(2, 9, 4), torch.randn(2, 9, 2, 5)
    A, state = -torch.rand(4), torch.randn(1, 4, 3, 5)
    y, last = ssd_mamba_ssm.ssd_scan(x, delta, A, B, B, None, None, False, (0.0, 1.0), state, 64)
    expected, expected_last = ops.ssd_scan(
        x, delta, A, B, B, delta_limit=(0.0, 1.0), initial_state=state, return_last_state=True
    )
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(last, expected_last)
