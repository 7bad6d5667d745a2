"""The backend that is always there: plain torch on any device, a loop over time with a hand-written backward.

States are kept every `CHUNK` steps only; the backward recomputes those between. That makes it linear in the
sequence length in time, and small in memory, where autograd through the same loop is neither.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops._autograd import differentiable
from ssmpeft_lib.ops._layout import accumulation_dtype, cast, empty_in_layout_of

CHUNK = 32


def selective_scan(
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state, starts=None
) -> tuple[Tensor, Tensor]:
    """Selective scan; only the recurrence itself is hand-written, autograd does bias, softplus, D and gate."""
    compute = accumulation_dtype(u.dtype)
    delta = cast(delta, compute)
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = F.softplus(delta)
    if initial_state is not None:
        initial_state = initial_state.expand(u.shape[0], -1, -1)
    y, last_state, _ = _scan(cast(u, compute), delta, A, cast(B, compute), cast(C, compute), initial_state, starts)
    if D is not None:
        y = y + cast(u, compute) * D[:, None]
    if z is not None:
        y = y * F.silu(cast(z, compute))
    return cast(y, u.dtype), last_state


def _time_major(tensor: Tensor) -> Tensor:
    return tensor.permute(2, 0, 1)  # [seq_len, batch, channels]


def _chunks(seq_len: int) -> list[slice]:
    return [slice(start, min(start + CHUNK, seq_len)) for start in range(0, seq_len, CHUNK)]


def _chunk_states(state, u, delta, A, B, initial, starts) -> tuple[Tensor, Tensor, Tensor]:
    """Decays, states before, and states after the steps of one chunk, each [steps, batch, d_inner, d_state]."""
    decay = torch.exp_(delta.unsqueeze(-1) * A)
    states = decay.new_empty(decay.shape[0] + 1, *state.shape)
    states[0] = state
    torch.mul((delta * u).unsqueeze(-1), B.unsqueeze(2), out=states[1:])
    # where no document starts, the state before a step is the one after the step before it
    before = states[:-1] if starts is None else torch.empty_like(decay)
    for t in range(decay.shape[0]):
        if starts is not None:
            torch.where(starts[t], initial, states[t], out=before[t])
        states[t + 1].addcmul_(decay[t], before[t])
    return decay, before, states[1:]


def _forward(u, delta, A, B, C, initial_state, starts) -> tuple[Tensor, Tensor, Tensor]:
    (batch, d_inner, seq_len), d_state = u.shape, A.shape[1]
    chunks = _chunks(seq_len)
    y = empty_in_layout_of(u)
    checkpoints = u.new_empty(len(chunks), batch, d_inner, d_state)
    initial = u.new_zeros(batch, d_inner, d_state) if initial_state is None else initial_state
    state = initial.clone()
    for steps, checkpoint in zip(chunks, checkpoints, strict=True):
        checkpoint.copy_(state)
        _, _, states = _chunk_states(state, *_of(steps, u, delta), A, *_of(steps, B), initial, _starting(steps, starts))
        (C_steps,) = _of(steps, C)
        _time_major(y)[steps] = torch.matmul(states, C_steps.unsqueeze(-1)).squeeze(-1)
        state = states[-1]
    return y, state.clone(), checkpoints


def _of(steps: slice, *tensors: Tensor) -> list[Tensor]:
    return [_time_major(tensor)[steps] for tensor in tensors]


def _starting(steps: slice, starts: Tensor | None) -> Tensor | None:
    """Whether a document starts at some steps, [steps, batch, 1, 1]."""
    return None if starts is None else starts.t()[steps, :, None, None]


def _backward(grad_y, grad_last_state, u, delta, A, B, C, initial_state, starts, checkpoints) -> tuple[Tensor, ...]:
    grads = [empty_in_layout_of(tensor) for tensor in (u, delta, B, C)]
    grad_A = torch.zeros_like(A)
    grad_state = checkpoints.new_zeros(checkpoints.shape[1:]) if grad_last_state is None else grad_last_state.clone()
    initial = torch.zeros_like(grad_state) if initial_state is None else initial_state
    grad_initial = torch.zeros_like(grad_state)
    for steps, checkpoint in reversed(list(zip(_chunks(u.shape[2]), checkpoints, strict=True))):
        inputs, begins = _of(steps, u, delta, B, C), _starting(steps, starts)
        *chunk_grads, chunk_A, grad_state = _chunk_backward(
            *_of(steps, grad_y), grad_state, checkpoint, *inputs, A, initial, begins, grad_initial
        )
        grad_A += chunk_A
        for grad, chunk_grad in zip(grads, chunk_grads, strict=True):
            _time_major(grad)[steps] = chunk_grad
    return *grads, grad_A, grad_state.add_(grad_initial)


def _chunk_backward(
    grad_y, grad_state, checkpoint, u, delta, B, C, A, initial, starts, grad_initial
) -> tuple[Tensor, ...]:
    """Gradients of one chunk for u, delta, B, C, A and the state before it; that of `initial` is added up in place."""
    decay, grad_log_decay, states = _chunk_states(checkpoint, u, delta, A, B, initial, starts)
    grad_C = torch.matmul(grad_y.unsqueeze(2), states).squeeze(2)
    grad_states = grad_y.unsqueeze(-1) * C.unsqueeze(2)
    for t in range(decay.shape[0] - 1, -1, -1):
        grad_states[t] += grad_state
        grad_state = decay[t] * grad_states[t]
        grad_log_decay[t] *= grad_state
        if starts is not None:
            grad_initial += grad_state.where(starts[t], 0)
            grad_state = grad_state.masked_fill(starts[t], 0)
    grad_x = torch.matmul(grad_states, B.unsqueeze(-1)).squeeze(-1)
    grad_B = torch.matmul((delta * u).unsqueeze(2), grad_states).squeeze(2)
    grad_delta = (grad_log_decay * A).sum(-1).addcmul_(grad_x, u)
    grad_A = torch.einsum("tbdn,tbd->dn", grad_log_decay, delta)
    return grad_x * delta, grad_delta, grad_B, grad_C, grad_A, grad_state


def _fake_forward(u, delta, A, B, C, initial_state, starts):
    (batch, d_inner, seq_len), d_state = u.shape, A.shape[1]
    states = ((seq_len + CHUNK - 1) // CHUNK, batch, d_inner, d_state)
    return empty_in_layout_of(u), u.new_empty(states[1:]), u.new_empty(states)


def _fake_backward(grad_y, grad_last_state, u, delta, A, B, C, initial_state, starts, checkpoints):
    grads = [empty_in_layout_of(tensor) for tensor in (u, delta, B, C)]
    return *grads, torch.empty_like(A), u.new_empty(checkpoints.shape[1:])


def _save(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs, output[2])
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)


def _gradients(gradient_op, ctx, grad_y, grad_last_state, _):
    if grad_y is None:
        grad_y = torch.zeros_like(ctx.saved_tensors[0])
    u, delta, B, C, A, state = gradient_op(grad_y, grad_last_state, *ctx.saved_tensors)
    return u, delta, A, B, C, state if ctx.needs_input_grad[5] else None, None


_scan = differentiable(
    "scan_torch(Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? initial_state, Tensor? starts)"
    " -> (Tensor, Tensor, Tensor)",
    _forward,
    _fake_forward,
    _save,
    _gradients,
    gradient=(
        "scan_torch_backward(Tensor grad_y, Tensor? grad_last_state, Tensor u, Tensor delta, Tensor A, Tensor B,"
        " Tensor C, Tensor? initial_state, Tensor? starts, Tensor checkpoints)"
        " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
        _backward,
        _fake_backward,
    ),
)
