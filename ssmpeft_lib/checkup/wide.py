"""Arithmetic in float64 throughout, so that what two ways of computing differ by is not rounding."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Wide(TorchFunctionMode):
    """Where a float64 model asks for float32, as transformers' norms, residuals and scans do, it gets float64."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is Tensor.float:
            function = Tensor.double
        args = [_wider(arg) for arg in args]
        return function(*args, **{name: _wider(arg) for name, arg in (kwargs or {}).items()})


def _wider(arg):
    return torch.float64 if arg is torch.float32 else arg
