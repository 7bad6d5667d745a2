"""The scan of Mamba-2 (SSD): one scalar decay a head, so that a chunk of steps is a few matrix products."""

from __future__ import annotations

from math import inf

from torch import Tensor

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
from ssmpeft_lib.ops.ssd import mamba_ssm, naive, torch


@vmappable("A", "D", "delta_bias")
def ssd_scan(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    delta_limit: tuple[float, float] = (0.0, inf),
    initial_state: Tensor | None = None,
    return_last_state: bool = False,
    chunk: int = 64,
    seq_idx: Tensor | None = None,
    backend: str = "auto",
) -> Tensor | tuple[Tensor, Tensor]:
    """Scan S_t = exp(delta_t A) S_{t-1} + delta_t x_t B_t^T, y_t = S_t C_t + D x_t, for each head.

    Args:
        x: shape [batch, seq_len, heads, head_dim].
        delta: step sizes, shape [batch, seq_len, heads].
        A, D, delta_bias: shape [heads].
        B, C: shape [batch, seq_len, groups, d_state]; `heads / groups` heads in a row share a group.
        delta_softplus: whether to apply softplus to `delta + delta_bias`.
        delta_limit: bounds that the step sizes are clamped to after that.
        initial_state: shape [batch or 1, heads, head_dim, d_state]; zero if not given.
        return_last_state: whether to return the state after the last step too.
        chunk: steps that are computed together; changes speed and memory, not the result beyond rounding.
        seq_idx: which document each step belongs to, whole numbers of shape [batch, seq_len]; each document starts
            from the initial state. Without it each row is one document.
        backend: `auto`, or a name from `backends()`.
    Returns:
        y of the shape and type of `x`; with `return_last_state` also the last state, shape [batch, heads, head_dim,
        d_state], in float32 (float64 for float64 inputs).
    Raises:
        TypeError, ValueError: a shape, type, device or backend that does not fit.
    Source:
        Dao and Gu (2024), Sec. 6, reordered: the product of C and B once a group, states passed on chunk by chunk.
    """
    op = "ssd_scan"
    check_floating(op, "x", x, "(batch, seq_len, heads, head_dim)")
    check_floating(op, "B", B, "(batch, seq_len, groups, d_state)")
    batch, seq_len, heads, head_dim = x.shape
    groups, d_state = B.shape[2:]
    if groups == 0 or heads % groups:
        raise ValueError(f"{op}: B has {groups} groups, expected a divisor of the {heads} heads of x")
    if chunk < 1:
        raise ValueError(f"{op}: chunk is {chunk}, expected at least 1")
    maps, per_head = (batch, seq_len, groups, d_state), (heads,)
    check_like(
        op,
        x,
        (
            ("delta", delta, "(batch, seq_len, heads)", (batch, seq_len, heads)),
            ("A", A, "(heads,)", per_head),
            ("B", B, "(batch, seq_len, groups, d_state)", maps),
            ("C", C, "(batch, seq_len, groups, d_state)", maps),
            ("D", D, "(heads,)", per_head),
            ("delta_bias", delta_bias, "(heads,)", per_head),
        ),
    )
    check_same_dtype(op, x, (("delta", delta), ("B", B), ("C", C)))
    state_dims = "(batch, heads, head_dim, d_state)"
    check_initial(op, "initial_state", initial_state, state_dims, batch, (heads, head_dim, d_state))
    check_documents(op, seq_idx, x, (batch, seq_len))
    compute = accumulation_dtype(x.dtype)
    A, D, delta_bias, initial_state = (cast(tensor, compute) for tensor in (A, D, delta_bias, initial_state))
    run = pick_backend(op, BACKENDS, backend, x.device, x.dtype)
    y, last_state = run(
        x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state, chunk, starts_of(seq_idx)
    )
    return (y, last_state) if return_last_state else y


BACKENDS = {"mamba_ssm": mamba_ssm.ssd_scan, "torch": torch.ssd_scan, "naive": naive.ssd_scan}
