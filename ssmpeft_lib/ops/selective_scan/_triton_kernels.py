"""The selective scan in Triton: one program for a block of channels of one sequence, a chunk of steps after another.

Within a chunk the steps are scanned in parallel, over tiles [channels, steps, states]. The state before each chunk is
kept for the backward, which recomputes those within. Imported only where Triton is installed.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _then(decay, inputs, next_decay, next_inputs):
    """Two steps of h = decay h + inputs as one."""
    return decay * next_decay, next_decay * inputs + next_inputs


@triton.jit
def _tile(pointer, rows, columns, row_stride, column_stride, mask, dtype: tl.constexpr):
    """A tile [rows, columns] in the type to compute in, zero where the mask is not set."""
    offsets = rows[:, None] * row_stride + columns[None, :] * column_stride
    return tl.load(pointer + offsets, mask=mask, other=0).to(dtype)


@triton.jit
def _sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def _softplus(x):
    """max(x, 0) + log1p(exp(-|x|)), with log1p as accurate for small values as for others."""
    y = tl.exp(-tl.abs(x))
    one_more = 1 + y
    nonzero = tl.where(one_more == 1, 1, one_more - 1)
    return tl.maximum(x, 0) + tl.where(one_more == 1, y, tl.log(one_more) * (y / nonzero))


@triton.jit
def _step_sizes(raw, mask, SOFTPLUS: tl.constexpr):
    """Zero where there is no step, which leaves the state as it is."""
    return tl.where(mask, _softplus(raw) if SOFTPLUS else raw, 0)


@triton.jit
def forward(
    u, delta, z, B, C, A, D, bias, initial, out, last, checkpoints,
    channels, steps, states, chunks, initial_batch,
    u_batch, u_channel, u_step,
    delta_batch, delta_channel, delta_step,
    z_batch, z_channel, z_step,
    B_batch, B_state, B_step,
    C_batch, C_state, C_step,
    out_batch, out_channel, out_step,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_INITIAL: tl.constexpr,
    SOFTPLUS: tl.constexpr, KEEP: tl.constexpr,
    CHANNELS: tl.constexpr, STEPS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """Outputs and the last state; with KEEP also the state before each chunk, for the backward."""
    dtype = A.dtype.element_ty
    b = tl.program_id(0).to(tl.int64)
    d, n = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS), tl.arange(0, STATES)
    in_d, in_n = d < channels, n < states
    in_dn, of_state = in_d[:, None] & in_n[None, :], d[:, None] * states + n[None, :]
    rates = tl.load(A + of_state, mask=in_dn, other=0)
    state = tl.zeros((CHANNELS, STATES), dtype)
    if HAS_INITIAL:
        state = tl.load(initial + b * initial_batch + of_state, mask=in_dn, other=0)
    for chunk in range(chunks):
        t = chunk * STEPS + tl.arange(0, STEPS)
        in_dt, in_tn = in_d[:, None] & (t < steps)[None, :], (t < steps)[:, None] & in_n[None, :]
        if KEEP:
            tl.store(checkpoints + (b * chunks + chunk) * channels * states + of_state, state, mask=in_dn)
        x = _tile(u + b * u_batch, d, t, u_channel, u_step, in_dt, dtype)
        raw = _tile(delta + b * delta_batch, d, t, delta_channel, delta_step, in_dt, dtype)
        if HAS_BIAS:
            raw += tl.load(bias + d, mask=in_d, other=0)[:, None]
        size = _step_sizes(raw, in_dt, SOFTPLUS)
        to_state = _tile(B + b * B_batch, t, n, B_step, B_state, in_tn, dtype)
        from_state = _tile(C + b * C_batch, t, n, C_step, C_state, in_tn, dtype)
        decay = tl.exp(size[:, :, None] * rates[:, None, :])
        since_start, inputs = tl.associative_scan((decay, (size * x)[:, :, None] * to_state[None, :, :]), 1, _then)
        h = inputs + since_start * state[:, None, :]
        y = tl.sum(h * from_state[None, :, :], 2)
        if HAS_D:
            y += x * tl.load(D + d, mask=in_d, other=0)[:, None]
        if HAS_Z:
            gate = _tile(z + b * z_batch, d, t, z_channel, z_step, in_dt, dtype)
            y *= gate * _sigmoid(gate)
        offsets = d[:, None] * out_channel + t[None, :] * out_step
        tl.store(out + b * out_batch + offsets, y.to(out.dtype.element_ty), mask=in_dt)
        at_end = (tl.arange(0, STEPS) == STEPS - 1)[None, :, None]
        state = tl.sum(tl.where(at_end, h, 0), 1)
    tl.store(last + b * channels * states + of_state, state, mask=in_dn)


@triton.jit
def backward(
    grad_out, grad_last, u, delta, z, B, C, A, D, bias, checkpoints,
    grad_u, grad_delta, grad_z, grad_B, grad_C, grad_A, grad_D, grad_bias, grad_initial,
    channels, steps, states, chunks,
    grad_out_batch, grad_out_channel, grad_out_step,
    u_batch, u_channel, u_step,
    delta_batch, delta_channel, delta_step,
    z_batch, z_channel, z_step,
    B_batch, B_state, B_step,
    C_batch, C_state, C_step,
    grad_u_batch, grad_u_channel, grad_u_step,
    grad_delta_batch, grad_delta_channel, grad_delta_step,
    grad_z_batch, grad_z_channel, grad_z_step,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_LAST: tl.constexpr, SOFTPLUS: tl.constexpr,
    CHANNELS: tl.constexpr, STEPS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """Gradients of B and C are written for each block of channels, those of A, D and bias for each sequence."""
    dtype = A.dtype.element_ty
    b, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    d, n, k = block * CHANNELS + tl.arange(0, CHANNELS), tl.arange(0, STATES), tl.arange(0, STEPS)
    in_d, in_n = d < channels, n < states
    in_dn, of_state = in_d[:, None] & in_n[None, :], d[:, None] * states + n[None, :]
    rates = tl.load(A + of_state, mask=in_dn, other=0)
    shift = tl.zeros((CHANNELS,), dtype)
    if HAS_BIAS:
        shift = tl.load(bias + d, mask=in_d, other=0)
    skip = tl.zeros((CHANNELS,), dtype)
    if HAS_D:
        skip = tl.load(D + d, mask=in_d, other=0)
    # the gradient of the state before the chunk that comes after
    grad_state = tl.zeros((CHANNELS, STATES), dtype)
    if HAS_LAST:
        grad_state = tl.load(grad_last + b * channels * states + of_state, mask=in_dn, other=0)
    sum_A, sum_D, sum_bias = (
        tl.zeros((CHANNELS, STATES), dtype),
        tl.zeros((CHANNELS,), dtype),
        tl.zeros((CHANNELS,), dtype),
    )
    for reverse in range(chunks):
        chunk = chunks - 1 - reverse
        t = chunk * STEPS + k
        in_t = t < steps
        in_dt, in_tn = in_d[:, None] & in_t[None, :], in_t[:, None] & in_n[None, :]
        x = _tile(u + b * u_batch, d, t, u_channel, u_step, in_dt, dtype)
        raw = _tile(delta + b * delta_batch, d, t, delta_channel, delta_step, in_dt, dtype) + shift[:, None]
        size = _step_sizes(raw, in_dt, SOFTPLUS)
        to_state = _tile(B + b * B_batch, t, n, B_step, B_state, in_tn, dtype)
        from_state = _tile(C + b * C_batch, t, n, C_step, C_state, in_tn, dtype)
        decay = tl.exp(size[:, :, None] * rates[:, None, :])

        # the states before each step, from the steps one earlier; the first of them does nothing
        before = in_dt & (k > 0)[None, :]
        raw_before = _tile(delta + b * delta_batch, d, t - 1, delta_channel, delta_step, before, dtype) + shift[:, None]
        size_before = _step_sizes(raw_before, before, SOFTPLUS)
        x_before = _tile(u + b * u_batch, d, t - 1, u_channel, u_step, before, dtype)
        B_before = _tile(B + b * B_batch, t - 1, n, B_step, B_state, in_tn & (k > 0)[:, None], dtype)
        since_start, inputs = tl.associative_scan(
            (
                tl.exp(size_before[:, :, None] * rates[:, None, :]),
                (size_before * x_before)[:, :, None] * B_before[None, :, :],
            ),
            1,
            _then,
        )
        checkpoint = tl.load(checkpoints + (b * chunks + chunk) * channels * states + of_state, mask=in_dn, other=0)
        decayed = decay * (inputs + since_start * checkpoint[:, None, :])
        h = decayed + (size * x)[:, :, None] * to_state[None, :, :]

        grad_y = _tile(grad_out + b * grad_out_batch, d, t, grad_out_channel, grad_out_step, in_dt, dtype)
        if HAS_Z:
            gate = _tile(z + b * z_batch, d, t, z_channel, z_step, in_dt, dtype)
            open_by = _sigmoid(gate)
            y = tl.sum(h * from_state[None, :, :], 2) + skip[:, None] * x
            grad_gate = grad_y * y * open_by * (1 + gate * (1 - open_by))
            offsets = d[:, None] * grad_z_channel + t[None, :] * grad_z_step
            tl.store(grad_z + b * grad_z_batch + offsets, grad_gate.to(grad_z.dtype.element_ty), mask=in_dt)
            grad_y *= gate * open_by

        # the gradients of the states, from the decays one later; behind the last stands what the next chunk left
        after = in_d[:, None] & (t + 1 < steps)[None, :] & (k < STEPS - 1)[None, :]
        raw_after = _tile(delta + b * delta_batch, d, t + 1, delta_channel, delta_step, after, dtype) + shift[:, None]
        decay_after = tl.exp(_step_sizes(raw_after, after, SOFTPLUS)[:, :, None] * rates[:, None, :])
        until_end, grad_h = tl.associative_scan(
            (decay_after, grad_y[:, :, None] * from_state[None, :, :]), 1, _then, reverse=True
        )
        grad_h += until_end * grad_state[:, None, :]

        of_part = ((b * tl.num_programs(1) + block) * steps + t)[:, None] * states + n[None, :]
        tl.store(grad_C + of_part, tl.sum(h * grad_y[:, :, None], 0), mask=in_tn)
        tl.store(grad_B + of_part, tl.sum(grad_h * (size * x)[:, :, None], 0), mask=in_tn)
        grad_product = tl.sum(grad_h * to_state[None, :, :], 2)
        grad_x = grad_product * size + skip[:, None] * grad_y
        grad_log_decay = grad_h * decayed
        grad_size = tl.sum(grad_log_decay * rates[:, None, :], 2) + grad_product * x
        if SOFTPLUS:
            grad_size *= _sigmoid(raw)
        offsets = d[:, None] * grad_u_channel + t[None, :] * grad_u_step
        tl.store(grad_u + b * grad_u_batch + offsets, grad_x.to(grad_u.dtype.element_ty), mask=in_dt)
        offsets = d[:, None] * grad_delta_channel + t[None, :] * grad_delta_step
        tl.store(grad_delta + b * grad_delta_batch + offsets, grad_size.to(grad_delta.dtype.element_ty), mask=in_dt)
        sum_A += tl.sum(grad_log_decay * size[:, :, None], 1)
        sum_D += tl.sum(grad_y * x, 1)
        sum_bias += tl.sum(tl.where(in_dt, grad_size, 0), 1)
        grad_state = tl.sum(tl.where((k == 0)[None, :, None], decay * grad_h, 0), 1)
    tl.store(grad_A + b * channels * states + of_state, sum_A, mask=in_dn)
    tl.store(grad_D + b * channels + d, sum_D, mask=in_d)
    tl.store(grad_bias + b * channels + d, sum_bias, mask=in_d)
    tl.store(grad_initial + b * channels * states + of_state, grad_state, mask=in_dn)
