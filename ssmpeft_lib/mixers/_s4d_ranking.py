"""What decides which dimensions of an S4 layer are silenced and trained, as the paper and the released code have it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SLIPS = ("summed_parts", "frozen_sign")
"""The two slips of the released code.

`summed_parts`: A is the sum -exp(log_A_real) + A_imag of two real numbers, without the imaginary unit.
`frozen_sign`: the frozen model's real part enters the change as +exp(log_A_real), so that it is added, not subtracted.
"""

Kernel = Any
"""What holds C, log_dt, log_A_real and, if complex, A_imag: an `S4DKernel`, or their values around a warm-up."""


def importance_of(kernel: Kernel, importance: str, lag: int, slips: tuple[str, ...] = ()) -> Tensor:
    """The magnitude that decides which dimensions are kept, [d_model, d_state]."""
    real, imag = parts(kernel)
    A = real + imag if "summed_parts" in slips else torch.complex(real, imag)
    transition = torch.exp(A * torch.exp(kernel.log_dt)[:, None])
    if importance == "transition":
        return transition.abs()
    C = torch.view_as_complex(kernel.C) if kernel.C.dim() == 3 else kernel.C
    # the order of operations is the released code's, so that float32 overflows where it does
    return (C * (transition - 1.0) / A * transition**lag).abs()


def change_of(frozen: Kernel, warmed: Kernel, slips: tuple[str, ...] = ()) -> Tensor:
    """How far the warm-up moved (Re A, Im A), [d_model, d_state, 2]."""
    (real, imag), (frozen_real, frozen_imag) = parts(warmed), parts(frozen)
    if "frozen_sign" in slips:
        frozen_real = -frozen_real
    return torch.stack([real - frozen_real, imag - frozen_imag], dim=-1)


def parts(kernel: Kernel) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of A, each [d_model, d_state]."""
    real = -torch.exp(kernel.log_A_real)
    return real, getattr(kernel, "A_imag", torch.zeros_like(real))
