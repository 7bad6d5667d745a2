"""Linear layers, where torch's own matrix products leave half of the processor unused on kernels that do not.

On a CPU, torch multiplies float32 matrices with MKL, which has no AVX-512 kernels for processors of other makers than
Intel. oneDNN, which torch ships too and takes for bfloat16, has. A few rows, as in decoding, wait for the weight to
arrive from memory, which neither reads as fast as it comes; the C++ kernel does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssmpeft_lib.compat.torch import are_transforms_active, onednn_linear
from ssmpeft_lib.ops._autograd import needs_gradient
from ssmpeft_lib.ops._dispatch import pick_backend
from ssmpeft_lib.ops.linear import cpp

FEW_ROWS = 8
"""Rows up to which the product is bound by reading the weight."""

LEAST_WEIGHTS, LEAST_WORK = 1 << 20, 1 << 25
"""Entries of the weight, or multiplications of the call, from which oneDNN pays: it compiles a kernel for every new
shape, in a few tenths of a millisecond."""

LEAST_READ = 1 << 16
"""Entries of the weight from which the C++ kernel pays for a few rows."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, backend: str = "auto") -> Tensor:
    """Compute y = x weight^T + bias, as `torch.nn.functional.linear`, which it calls wherever that is as fast.

    Args:
        x: shape [..., in_features].
        weight: shape [out_features, in_features].
        bias: shape [out_features]; one of a wider type than the weight is added in its own type.
        backend: `auto`; `cpp` or `onednn`, both for float32 on a CPU; or `torch`.
    Returns:
        y of shape [..., out_features].
    Raises:
        ValueError: a backend that is not there.
    """
    if bias is not None and bias.dtype != weight.dtype:
        y = linear(x, weight, None, backend)
        return (y + bias).to(y.dtype)
    if backend != "auto":
        return pick_backend("linear", BACKENDS, backend, x.device, x.dtype)(x, weight, bias)
    weights, entries = weight.numel(), x.numel()
    few = entries <= FEW_ROWS * weight.shape[-1] and not torch.is_grad_enabled()
    if few and weights >= LEAST_READ and _own_kernels_pay(x, weight):
        table = BACKENDS
    elif (weights >= LEAST_WEIGHTS or weights * entries >= LEAST_WORK * weight.shape[-1]) and _own_kernels_pay(
        x, weight
    ):
        table = FOR_MANY_ROWS
    else:
        return F.linear(x, weight, bias)
    return pick_backend("linear", table, backend, x.device, x.dtype)(x, weight, bias)


class Linear(nn.Linear):
    """A linear layer as torch has it, computed by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in_features] -> [..., out_features]."""
        return linear(x, self.weight, self.bias)


def _own_kernels_pay(x: Tensor, weight: Tensor) -> bool:
    """Whether torch's product is the slow one; anything that transforms or traces calls gets it all the same."""
    return (
        not torch.compiler.is_compiling()
        and mkl_is_slow()
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == "cpu"
        and type(x) in _PLAIN
        and type(weight) in _PLAIN
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not are_transforms_active()
    )


_PLAIN = (Tensor, nn.Parameter)


@cache
def mkl_is_slow() -> bool:
    """Whether torch multiplies with MKL here, on a processor with AVX-512 that is not Intel's."""
    if not torch.backends.mkl.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            maker = next(line.split(":", 1)[1].strip() for line in file if line.startswith("vendor_id"))
    except (OSError, StopIteration):
        return False
    return maker != "GenuineIntel"


def _differentiable(product: Callable) -> Callable:
    def run(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if needs_gradient(x, weight, bias):
            return _Product.apply(product, x, weight, bias)
        return product(x, weight, bias)

    return run


class _Product(torch.autograd.Function):
    """Keeps the input only where the weight's gradient is wanted."""

    @staticmethod
    def forward(ctx, product, x, weight, bias):
        _, wants_x, wants_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if wants_weight else None, weight if wants_x else None)
        return product(x, weight, bias)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])
        _, wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        return (
            None,
            linear(grad, weight.t()) if wants_x else None,
            linear(rows.t(), x.reshape(len(rows), -1).t()) if wants_weight else None,
            rows.sum(0) if wants_bias else None,
        )


BACKENDS = {"cpp": _differentiable(cpp.linear), "onednn": _differentiable(onednn_linear), "torch": F.linear}

FOR_MANY_ROWS = {name: run for name, run in BACKENDS.items() if name != "cpp"}
