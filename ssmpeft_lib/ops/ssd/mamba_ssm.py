"""Mamba-2's chunked scan by its authors, in Triton (`mamba_ssm`)."""

from __future__ import annotations

from ssmpeft_lib.ops._layout import accumulation_dtype, cast


def ssd_scan(x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state, chunk):
    """Mamba-2's chunked scan in Triton."""
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    if initial_state is not None:
        initial_state = initial_state.expand(x.shape[0], -1, -1, -1)
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
        return_final_states=True,
    )
    return y, cast(last_state, accumulation_dtype(x.dtype))
