"""Products of a few rows with a large weight on the C++ kernels."""

from __future__ import annotations

import ctypes

from torch import Tensor

from ssmpeft_lib.ops._cpp.arguments import LinearArguments, dense, pointer, threads
from ssmpeft_lib.ops._cpp.build import library


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x weight^T + bias, in float32; for more rows than `FEW_ROWS`, general matrix products are faster."""
    rows, weight, bias = dense_rows(x.reshape(-1, x.shape[-1])), dense_rows(weight), dense(bias)
    outputs, inputs = weight.shape
    y = x.new_empty(*x.shape[:-1], outputs)
    arguments = LinearArguments(
        len(rows),
        inputs,
        outputs,
        threads(outputs * inputs),
        rows.stride(0),
        weight.stride(0),
        *map(pointer, (rows, weight, bias, y)),
    )
    library().linear(ctypes.byref(arguments))
    return y


def dense_rows(matrix: Tensor) -> Tensor:
    """`matrix`, or a copy of it, with the entries of each row next to each other."""
    return matrix if matrix.stride(1) == 1 else matrix.contiguous()
