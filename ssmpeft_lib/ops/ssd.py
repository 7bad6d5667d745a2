"""The scan of Mamba-2 (SSD): one scalar decay a head, so that a chunk of steps is a few matrix products."""

from __future__ import annotations

from math import ceil, inf

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops import mamba_ssm_cuda, naive
from ssmpeft_lib.ops.checks import (
    accumulation_dtype,
    cast,
    check_floating,
    check_initial,
    check_like,
    check_same_dtype,
)
from ssmpeft_lib.ops.dispatch import resolve


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
    compute = accumulation_dtype(x.dtype)
    A, D, delta_bias, initial_state = (cast(tensor, compute) for tensor in (A, D, delta_bias, initial_state))
    run = resolve(op, BACKENDS, backend, x.device, x.dtype)
    y, last_state = run(x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state, chunk)
    return (y, last_state) if return_last_state else y


def _naive(x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state, chunk):
    return naive.ssd_scan(x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state)


def _chunked(x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state, chunk):
    storage, compute = x.dtype, accumulation_dtype(x.dtype)
    x, delta, B, C = (cast(tensor, compute) for tensor in (x, delta, B, C))
    batch, seq_len, heads, head_dim = x.shape
    groups, d_state = B.shape[2:]
    delta = _step_sizes(delta, delta_bias, delta_softplus, delta_limit)
    state = x.new_zeros(1, heads, head_dim, d_state) if initial_state is None else initial_state
    state = state.expand(batch, -1, -1, -1).reshape(batch, groups, -1, d_state)

    # chunks of equal length need the least padding
    chunk = max(1, ceil(seq_len / max(1, ceil(seq_len / chunk))))
    # Dimensions: batch, chunk, step, group, head of the group, head_dim. The large tensors stay in this order, which
    # is that of x, so that the heads of a group share one matrix product with its B or C.
    inputs = _in_chunks(x * delta.unsqueeze(-1), chunk).unflatten(3, (groups, -1))
    log_decay = _in_chunks(delta * A, chunk).unflatten(3, (groups, -1))
    B, C = (_in_chunks(tensor, chunk).transpose(2, 3) for tensor in (B, C))  # [batch, chunks, groups, chunk, d_state]
    since_start = log_decay.cumsum(2)
    to_end = torch.exp(since_start[:, :, -1:] - since_start)
    added = (inputs * to_end.unsqueeze(-1)).flatten(4).permute(0, 1, 3, 4, 2) @ B
    before, state = _pass_on(state, added, since_start[:, :, -1].exp(), head_dim)
    from_before = (C @ before.mT).transpose(2, 3).unflatten(4, (-1, head_dim))
    mixing = _decay_between(since_start.permute(0, 1, 3, 4, 2)) * (C @ B.mT).unsqueeze(3)
    y = (mixing @ inputs.permute(0, 1, 3, 4, 2, 5)).permute(0, 1, 4, 2, 3, 5)
    y = torch.addcmul(y, from_before, since_start.exp().unsqueeze(-1))
    y = y.reshape(batch, -1, heads, head_dim)[:, :seq_len]
    if D is not None:
        y = y.addcmul_(D[:, None], x)
    return cast(y, storage), state.reshape(batch, heads, head_dim, d_state)


def _step_sizes(delta: Tensor, bias: Tensor | None, softplus: bool, limit: tuple[float, float]) -> Tensor:
    if bias is not None:
        delta = delta + bias
    if softplus:
        delta = F.softplus(delta)
    return delta if limit == (0.0, inf) and softplus else delta.clamp(*limit)


def _in_chunks(tensor: Tensor, chunk: int) -> Tensor:
    """[batch, seq_len, ...] as [batch, chunks, chunk, ...], padded with zeros: steps that change nothing."""
    if missing := -tensor.shape[1] % chunk:
        tensor = F.pad(tensor, (0, 0) * (tensor.dim() - 2) + (0, missing))
    return tensor.unflatten(1, (-1, chunk))


def _decay_between(since_start: Tensor) -> Tensor:
    """exp of the sum of log decays after step s and up to step t, [..., t, s]; zero for s after t."""
    steps = since_start.shape[-1]
    future = torch.ones(steps, steps, dtype=torch.bool, device=since_start.device).triu(1)
    # negated while it is small, also in the backward
    return (since_start.unsqueeze(-1) + (-since_start).unsqueeze(-2)).masked_fill_(future, -inf).exp_()


def _pass_on(state: Tensor, added: Tensor, decay: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """States before each chunk, and the one after the last; [batch, (chunks,) groups, heads * head_dim, d_state]."""
    before = []
    decay = decay.repeat_interleave(head_dim, dim=3).unsqueeze(-1)
    # taken apart at once: the gradient of indexing chunk by chunk would be a tensor of all chunks for each
    for chunk_added, chunk_decay in zip(added.unbind(1), decay.unbind(1), strict=True):
        before.append(state)
        state = torch.addcmul(chunk_added, chunk_decay, state)
    return torch.stack(before, dim=1) if before else added, state


BACKENDS = {"mamba_ssm": mamba_ssm_cuda.ssd_scan, "torch": _chunked, "naive": _naive}
