"""The selective scan of Mamba (S6), on whichever backend is fastest here."""

from __future__ import annotations

from torch import Tensor

from ssmpeft_lib.ops._autograd import needs_gradient
from ssmpeft_lib.ops._dispatch import pick_backend
from ssmpeft_lib.ops._layout import (
    accumulation_dtype,
    cast,
    check_documents,
    check_floating,
    check_initial,
    check_like,
    check_same_dtype,
    starts_of,
)
from ssmpeft_lib.ops._vmap import vmappable
from ssmpeft_lib.ops.selective_scan import cpp, mamba_ssm, naive, torch, triton

BACKENDS = {
    "cpp": cpp.selective_scan,
    "mamba_ssm": mamba_ssm.selective_scan,
    "triton": triton.selective_scan,
    "torch": torch.selective_scan,
    "naive": naive.selective_scan,
}

BACKENDS_THROUGH_LAST_STATE = {name: run for name, run in BACKENDS.items() if name != "mamba_ssm"}
"""Backends that compute the gradient of the last state."""

BACKENDS_OF_DOCUMENTS = {name: run for name, run in BACKENDS_THROUGH_LAST_STATE.items() if name != "triton"}
"""Backends that start anew at each document."""


@vmappable("A", "D", "delta_bias")
def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    initial_state: Tensor | None = None,
    return_last_state: bool = False,
    seq_idx: Tensor | None = None,
    backend: str = "auto",
) -> Tensor | tuple[Tensor, Tensor]:
    """Scan h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t, y_t = (C_t h_t + D u_t) silu(z_t).

    The conventions are those of mamba_ssm's `selective_scan_fn`, plus the initial state. Any strides will do; the
    output keeps the order of strides of `u`, and transposed (batch, seq_len, d_inner) tensors are the fast ones.
    A step whose delta is zero leaves the state as it is, bit for bit: with `delta_softplus`, a delta of -1e4 or
    -inf masks a step, with zero gradient. Sums and states are in float32 (float64 for float64). Relative to the largest
    entry, float32 results and gradients are within 5e-6 of float64's, bfloat16's within 1.6e-2.

    Args:
        u, delta, z: input, step sizes and gate, shape [batch, d_inner, seq_len]; without `z` there is no gate.
        A: continuous-time decay rates, negative in trained models, shape [d_inner, d_state].
        B, C: input and output maps of each step, shape [batch, d_state, seq_len].
        D: weight of the skip connection, shape [d_inner].
        delta_bias: added to `delta` before the softplus, shape [d_inner].
        delta_softplus: whether to apply softplus to `delta`.
        initial_state: h_0, shape [batch or 1, d_inner, d_state]; zero if not given. Its gradient is summed over
            the batch where it is shared.
        return_last_state: whether to return the state after the last step too; its gradient is supported.
        seq_idx: which document each step belongs to, whole numbers of shape [batch, seq_len]; each document starts
            from the initial state. Without it each row is one document.
        backend: `auto`, or a name from `backends()`.
    Returns:
        y of the shape, type and layout of `u`; with `return_last_state` also the last state, shape [batch, d_inner,
        d_state], in float32 (float64 for float64 inputs), the type that states are kept in.
    Raises:
        TypeError, ValueError: a shape, type, device or backend that does not fit.
    Source:
        Gu and Dao (2023), Algorithm 2; initial state: this paper, Sec. 4.2.
    """
    op = "selective_scan"
    check_floating(op, "u", u, "(batch, d_inner, seq_len)")
    check_floating(op, "A", A, "(d_inner, d_state)")
    batch, d_inner, seq_len = u.shape
    d_state = A.shape[1]
    sequence, maps, channels = (batch, d_inner, seq_len), (batch, d_state, seq_len), (d_inner,)
    check_like(
        op,
        u,
        (
            ("delta", delta, "(batch, d_inner, seq_len)", sequence),
            ("A", A, "(d_inner, d_state)", (d_inner, d_state)),
            ("B", B, "(batch, d_state, seq_len)", maps),
            ("C", C, "(batch, d_state, seq_len)", maps),
            ("D", D, "(d_inner,)", channels),
            ("z", z, "(batch, d_inner, seq_len)", sequence),
            ("delta_bias", delta_bias, "(d_inner,)", channels),
        ),
    )
    check_same_dtype(op, u, (("delta", delta), ("B", B), ("C", C), ("z", z)))
    check_initial(op, "initial_state", initial_state, "(batch, d_inner, d_state)", batch, (d_inner, d_state))
    check_documents(op, seq_idx, u, (batch, seq_len))
    compute = accumulation_dtype(u.dtype)
    through_last_state = return_last_state and needs_gradient(u, delta, A, B, initial_state)
    table = BACKENDS_THROUGH_LAST_STATE if through_last_state and backend == "auto" else BACKENDS
    if seq_idx is not None:
        table = BACKENDS_OF_DOCUMENTS
    run = pick_backend(op, table, backend, u.device, u.dtype)
    y, last_state = run(
        u,
        delta,
        cast(A, compute),
        B,
        C,
        cast(D, compute),
        z,
        cast(delta_bias, compute),
        delta_softplus,
        cast(initial_state, compute),
        starts_of(seq_idx),
    )
    return (y, last_state) if return_last_state else y
