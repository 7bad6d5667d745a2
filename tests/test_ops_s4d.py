"""S4D: the blocked kernel, the convolution and the recurrent step against each other and the authors' outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ops_inputs import assert_close, outputs_and_gradients
from reference import shared

from ssmpeft_lib.ops import discretize, fft_conv, s4d_kernel, s4d_step
from ssmpeft_lib.ops.s4d import fast_length


def layer(channels: int, d_state: int, is_complex: bool) -> dict:
    A = -torch.rand(channels, d_state, dtype=torch.float64) - 0.1
    C = torch.randn(channels, d_state, dtype=torch.float64)
    if is_complex:
        A, C = torch.complex(A, torch.randn_like(A) * 5), torch.complex(C, torch.randn_like(C))
    tensors = {"A": A, "delta": torch.rand(channels, dtype=torch.float64) * 0.2 + 0.01, "C": C}
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}


def kernel(backend, rule, seq_len):
    def run(A, delta, C):
        log_A_bar, B_bar = discretize(A, delta, rule)
        return (s4d_kernel(log_A_bar, C * B_bar, seq_len, backend=backend),)

    return run


def real_gradients(function, inputs):
    """Outputs and gradients, those of complex inputs as pairs of real numbers."""
    results = outputs_and_gradients(function, inputs)
    return {name: torch.view_as_real(t.resolve_conj()) if t.is_complex() else t for name, t in results.items()}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("rule", ["zoh", "bilinear"])
@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("d_state", [1, 3, 16])
@pytest.mark.parametrize("seq_len", [1, 2, 15, 16, 17, 1000])
def test_blocked_kernel_equals_the_naive_one(rule, is_complex, d_state, seq_len):
    inputs = layer(3, d_state, is_complex)
    expected = real_gradients(kernel("naive", rule, seq_len), inputs)
    assert_close(real_gradients(kernel("torch", rule, seq_len), inputs), expected, 1e-10)


@pytest.mark.parametrize("is_complex", [True, False])
def test_gradients_are_those_of_finite_differences(is_complex):
    tensors = [*layer(2, 2, is_complex).values()]
    assert torch.autograd.gradcheck(lambda *given: kernel("torch", "zoh", 7)(*given), tensors)


@pytest.mark.parametrize("seq_len", [1, 2, 17, 100])
def test_convolution_equals_the_naive_one(seq_len):
    inputs = {
        "u": torch.randn(2, 3, seq_len, dtype=torch.float64, requires_grad=True),
        "kernel": torch.randn(3, seq_len, dtype=torch.float64, requires_grad=True),
        "D": torch.randn(3, dtype=torch.float64, requires_grad=True),
    }
    results = [outputs_and_gradients(lambda **t: (fft_conv(**t, backend=name),), inputs) for name in ("torch", "naive")]  # noqa: B023
    assert_close(*results, 1e-12)


@pytest.mark.parametrize("rule", ["zoh", "bilinear"])
@pytest.mark.parametrize("is_complex", [True, False])
def test_steps_equal_the_convolution(rule, is_complex):
    inputs = {name: tensor.detach() for name, tensor in layer(3, 4, is_complex).items()}
    u, D = torch.randn(2, 3, 20, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    log_A_bar, B_bar = discretize(inputs["A"], inputs["delta"], rule)
    expected = fft_conv(u, kernel("torch", rule, 20)(**inputs)[0], D)
    state = torch.zeros(2, 3, 4, dtype=inputs["A"].dtype)
    steps = [s4d_step(state, u[:, :, t], log_A_bar.exp(), B_bar, inputs["C"], D) for t in range(20)]
    torch.testing.assert_close(torch.stack(steps, dim=-1), expected)


def test_kernel_of_the_authors_code():
    case = np.load(shared("parity/case5_s4.npz"))
    prefix = next(name for name in case.files if name.endswith("log_A_real")).removesuffix("log_A_real")
    log_A_real, A_imag, C, log_dt = (
        torch.from_numpy(case[prefix + name]) for name in ("log_A_real", "A_imag", "C", "log_dt")
    )
    expected = torch.from_numpy(
        case[next(name for name in case.files if "kernel" in name.lower() and "w:" not in name)]
    )
    C = torch.view_as_complex(C.contiguous()) if not C.is_complex() else C
    log_A_bar, B_bar = discretize(torch.complex(-log_A_real.exp(), A_imag), log_dt.exp())
    ours = s4d_kernel(log_A_bar, C.reshape(B_bar.shape) * B_bar, expected.shape[-1])
    torch.testing.assert_close(ours, expected.reshape(ours.shape), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "minimum, length", [(1, 2), (2, 2), (7, 8), (255, 256), (257, 270), (1567, 1600), (2047, 2048)]
)
def test_fast_lengths(minimum, length):
    assert fast_length(minimum) == length


def test_bfloat16_is_convolved_in_float32():
    u, k = torch.randn(2, 3, 50), torch.randn(3, 50)
    y = fft_conv(u.bfloat16(), k)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), fft_conv(u.bfloat16().float(), k), rtol=8e-3, atol=1e-2)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="rule is 'euler', expected 'zoh' or 'bilinear'"):
        discretize(torch.randn(2, 3), torch.rand(2), "euler")
    with pytest.raises(ValueError, match=r"have shapes \(2, 3\) and \(2, 4\)"):
        s4d_kernel(torch.randn(2, 3), torch.randn(2, 4), 5)
    with pytest.raises(ValueError, match=r"kernel has shape \(3, 4\), expected \(channels, seq_len\) = \(3, 5\)"):
        fft_conv(torch.randn(2, 3, 5), torch.randn(3, 4))
