"""Mamba-2's chunked scan by its authors, in Triton (`mamba_ssm`)."""

from __future__ import annotations

import torch

from ssmpeft_lib.ops._layout import accumulation_dtype, cast
from ssmpeft_lib.ops.ssd._initial import response, step_sizes


def ssd_scan(x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state, chunk, starts=None):
    """Mamba-2's chunked scan in Triton."""
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    shared, initial_state = initial_state, None
    if shared is not None and starts is None:
        initial_state = shared.expand(x.shape[0], -1, -1, -1)
    y, last_state = mamba_chunk_scan_combined(
        x,
        delta,
        A,
        B,
        C,
        chunk,
        D=D,
        dt_bias=delta_bias,
        initial_states=initial_state,
        dt_softplus=delta_softplus,
        dt_limit=delta_limit,
        seq_idx=None if starts is None else starts.cumsum(1, dtype=torch.int32),
        return_final_states=True,
    )
    if shared is not None and starts is not None:
        # the kernel starts the first document only from an initial state
        delta = step_sizes(delta.float(), delta_bias, delta_softplus, delta_limit)
        added, added_last = response(delta, A, C, starts, shared)
        y, last_state = y + added.to(y.dtype), last_state + added_last
    return y, cast(last_state, accumulation_dtype(x.dtype))
