"""The hand-written gradient of the S4D kernel against autograd through the defining sum."""

import pytest
import torch

from ssmpeft_lib.ops import s4d_kernel
from ssmpeft_lib.ops.s4d._geometric import GeometricSum


def sample(dtype, *shape):
    torch.manual_seed(0)
    decay = -torch.rand(*shape, dtype=torch.float64)
    log_ratio = torch.complex(decay, torch.randn_like(decay)) if dtype.is_complex else decay
    return torch.randn(*shape, dtype=dtype, requires_grad=True), log_ratio.to(dtype).requires_grad_()


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("seq_len", [1, 2, 11, 16])
def test_gradient(dtype, seq_len):
    inputs = sample(dtype, 2, 3)
    assert torch.autograd.gradcheck(lambda *tensors: GeometricSum.apply(*tensors, seq_len)[0], inputs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_vmap_is_a_loop(dtype):
    weight, log_ratio = sample(dtype, 5, 2, 3)
    together = torch.func.vmap(lambda w, z: s4d_kernel(z, w, 20))(weight, log_ratio)
    one_by_one = torch.stack([s4d_kernel(z, w, 20, backend="naive") for w, z in zip(weight, log_ratio, strict=True)])
    torch.testing.assert_close(together, one_by_one, rtol=1e-12, atol=1e-12)


def test_long_kernel_in_float32_is_as_exact_as_the_sum():
    weight, log_ratio = (tensor.detach() for tensor in sample(torch.complex64, 16, 8))
    # slow decay is the hard case: rounding of the ratio is amplified by its powers
    log_ratio = 0.01 * log_ratio
    exact = s4d_kernel(log_ratio.cdouble(), weight.cdouble(), 1024, backend="naive").float()
    fast, plain = (s4d_kernel(log_ratio, weight, 1024, backend=name) for name in ("torch", "naive"))
    assert (fast - exact).abs().max() < 4 * (plain - exact).abs().max()
