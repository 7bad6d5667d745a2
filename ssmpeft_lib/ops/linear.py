"""Linear layers, on oneDNN where torch's own matrix products leave half of the processor unused.

On a CPU, torch multiplies float32 matrices with MKL, which has no AVX-512 kernels for processors of other makers than
Intel. oneDNN, which torch ships too and takes for bfloat16, has.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssmpeft_lib.ops.dispatch import resolve

LEAST_WEIGHTS, LEAST_WORK = 1 << 20, 1 << 25
"""Entries of the weight, or multiplications of the call, from which oneDNN pays: it compiles a kernel for every new
shape, in a few tenths of a millisecond."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, backend: str = "auto") -> Tensor:
    """y = x weight^T + bias, as `torch.nn.functional.linear`, which it calls wherever that is as fast.

    Args:
        x: shape [..., in_features].
        weight: shape [out_features, in_features].
        bias: shape [out_features].
        backend: `auto`, `onednn` (float32 on a CPU) or `torch`.
    Returns:
        y of shape [..., out_features].
    Raises:
        ValueError: a backend that is not there.
    """
    if backend == "auto" and not _pays(x, weight):
        return F.linear(x, weight, bias)
    return resolve("linear", BACKENDS, backend, x.device, x.dtype)(x, weight, bias)


class Linear(nn.Linear):
    """torch's linear layer, computed by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in_features] -> [..., out_features]."""
        return linear(x, self.weight, self.bias)


def _pays(x: Tensor, weight: Tensor) -> bool:
    """Whether this is a call for oneDNN; anything that transforms or traces calls gets torch's own function."""
    numel = weight.numel()
    return (
        (numel >= LEAST_WEIGHTS or numel * x.numel() >= LEAST_WORK * weight.shape[-1])
        and not torch.compiler.is_compiling()
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == "cpu"
        and type(x) in _PLAIN
        and type(weight) in _PLAIN
        and x.numel() > 0
        and mkl_is_slow()
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
    )


_PLAIN = (Tensor, nn.Parameter)


@cache
def mkl_is_slow() -> bool:
    """Whether torch multiplies with MKL here, on a processor with AVX-512 that is not Intel's."""
    if not torch.backends.mkl.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    try:
        with open("/proc/cpuinfo") as file:
            maker = next(line.split(":", 1)[1].strip() for line in file if line.startswith("vendor_id"))
    except (OSError, StopIteration):
        return False
    return maker != "GenuineIntel"


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    inputs = (x, weight) if bias is None else (x, weight, bias)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        return _Product.apply(x, weight, bias)
    return _product(x, weight, bias)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class _Product(torch.autograd.Function):
    """Keeps the input only where the weight's gradient is wanted."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        wants_x, wants_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if wants_weight else None, weight if wants_x else None)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        rows = grad.flatten(0, -2) if grad.dim() > 1 else grad[None]
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        return (
            linear(grad, weight.t()) if wants_x else None,
            linear(rows.t(), x.reshape(len(rows), -1).t()) if wants_weight else None,
            rows.sum(0) if wants_bias else None,
        )


BACKENDS = {"onednn": _onednn, "torch": F.linear}
