"""The torch backend of the Mamba-2 scan: chunks of steps as matrix products, with a hand-written backward.

Dimensions are written batch, chunk, step (of a chunk), group, head (of a group), head_dim, d_state. The large tensors
keep this order, which is that of the input, so that the heads of a group share one product with its B or C. The
backward keeps only the states before the chunks and recomputes the rest: fewer passes over memory than autograd needs.

Sums of log decays are taken in float64, and terms that cancel exactly are left out: in float32 they would bury the
gradient of a head that forgets quickly.
"""

from __future__ import annotations

from math import ceil, inf
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ssmpeft_lib.ops._autograd import differentiable
from ssmpeft_lib.ops._layout import accumulation_dtype, cast
from ssmpeft_lib.ops.ssd._initial import response, step_sizes


def ssd_scan(x, delta, A, B, C, D, delta_bias, delta_softplus, delta_limit, initial_state, chunk, starts=None):
    """The scan; autograd does bias, softplus and limits of the step sizes, and the sharing of the initial state."""
    storage, compute = x.dtype, accumulation_dtype(x.dtype)
    x, delta, B, C = (cast(tensor, compute) for tensor in (x, delta, B, C))
    delta = step_sizes(delta, delta_bias, delta_softplus, delta_limit)
    shared = initial_state
    if initial_state is not None:
        initial_state = initial_state.expand(x.shape[0], -1, -1, -1) if starts is None else None
    # chunks of equal length need the least padding
    seq_len = x.shape[1]
    chunk = max(1, ceil(seq_len / max(1, ceil(seq_len / chunk))))
    y, last_state, _ = _scan(x, delta, A, B, C, D, initial_state, starts, chunk)
    if shared is not None and starts is not None:
        added, added_last = response(delta, A, C, starts, shared)
        y, last_state = y + added, last_state + added_last
    return cast(y, storage), last_state


class _Chunks(NamedTuple):
    """What forward and backward both need, cut into chunks."""

    x: Tensor  # [batch, chunk, step, group, head, head_dim]
    delta: Tensor  # [batch, chunk, step, group, head]
    B: Tensor  # [batch, chunk, group, step, d_state]
    C: Tensor
    from_start: Tensor  # exp of the log decays from the chunk's start up to a step, [batch, chunk, step, group, head]
    to_end: Tensor  # the same after a step up to the chunk's end
    between: Tensor  # the same after step s up to step t, zero for s > t, [batch, chunk, group, head, t, s]
    mixed: Tensor  # C_t B_s, [batch, chunk, group, 1, t, s]


def _cut(tensor: Tensor, chunk: int) -> Tensor:
    """[batch, seq_len, ...] as [batch, chunk, step, ...], padded with zeros: steps that change nothing."""
    if missing := -tensor.shape[1] % chunk:
        tensor = F.pad(tensor, (0, 0) * (tensor.dim() - 2) + (0, missing))
    return tensor.unflatten(1, (tensor.shape[1] // chunk, chunk))


def _chunks(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, starts: Tensor | None, chunk: int) -> _Chunks:
    groups = B.shape[2]
    heads = x.shape[2] // groups
    x, delta = _cut(x, chunk).unflatten(3, (groups, heads)), _cut(delta, chunk).unflatten(3, (groups, heads))
    B, C = (_cut(tensor, chunk).transpose(2, 3) for tensor in (B, C))
    log_decay = (delta * A.view(groups, heads)).double().cumsum(2)
    by_head = log_decay.permute(0, 1, 3, 4, 2).contiguous()
    between = x.new_empty(*by_head.shape, chunk)
    torch.sub(by_head.unsqueeze(-1), by_head.unsqueeze(-2), out=between)
    future = torch.ones(chunk, chunk, dtype=torch.bool, device=x.device).triu_(1)
    between.masked_fill_(future, -inf).exp_()
    from_start = log_decay.exp().to(x.dtype)
    to_end = (log_decay[:, :, -1:] - log_decay).exp_().to(x.dtype)
    if starts is not None:
        _part_documents(starts, from_start, to_end, between)
    return _Chunks(x, delta, B, C, from_start, to_end, between, (C @ B.mT).unsqueeze(3))


def _part_documents(starts: Tensor, from_start: Tensor, to_end: Tensor, between: Tensor) -> None:
    """Set the decays of `_Chunks` to zero, in place, where a document starts on the way."""
    number = _cut(starts.unsqueeze(-1), to_end.shape[2]).flatten(1, 2).cumsum(1).view(*to_end.shape[:3], 1, 1)
    before = F.pad(number[:, :-1, -1:], (0, 0) * 3 + (1, 0))
    from_start.mul_(number == before)
    to_end.mul_(number == number[:, :, -1:])
    number = number.permute(0, 1, 3, 4, 2)
    between.mul_(number.unsqueeze(-1) == number.unsqueeze(-2))


def _by_head(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 1, 3, 4, 2, 5)  # [batch, chunk, group, head, step, head_dim]


def _by_step(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 1, 4, 2, 3, 5)  # [batch, chunk, step, group, head, head_dim]


def _as_rows(tensor: Tensor) -> Tensor:
    """The heads of a group side by side: [batch, chunk, group, step, head * head_dim]."""
    return tensor.flatten(4).transpose(2, 3)


def _from_rows(tensor: Tensor, heads: int) -> Tensor:
    return tensor.transpose(2, 3).unflatten(4, (heads, tensor.shape[4] // heads))


def _decays_of_chunks(chunks: _Chunks) -> Tensor:
    """Decay over each whole chunk for each row of a group's states: [batch, chunk, group, head * head_dim, 1]."""
    return chunks.from_start[:, :, -1].repeat_interleave(chunks.x.shape[5], dim=3).unsqueeze(-1)


def _forward(x, delta, A, B, C, D, initial_state, starts, chunk) -> tuple[Tensor, Tensor, Tensor]:
    batch, seq_len, all_heads, head_dim = x.shape
    chunks = _chunks(x, delta, A, B, C, starts, chunk)
    groups, heads = chunks.x.shape[3:5]
    inputs = chunks.x * chunks.delta.unsqueeze(-1)
    own = torch.mul(chunks.between, chunks.mixed, out=chunks.between) @ _by_head(inputs)
    added = _as_rows(inputs.mul_(chunks.to_end.unsqueeze(-1))).mT @ chunks.B
    before, last_state = _pass_on(added, _decays_of_chunks(chunks), initial_state)
    y = _from_rows(chunks.C @ before.mT, heads).mul_(chunks.from_start.unsqueeze(-1)).add_(_by_step(own))
    y = y.flatten(1, 2)[:, :seq_len].reshape(x.shape)
    if D is not None:
        y.addcmul_(D[:, None], x)
    return y, last_state.view(batch, all_heads, head_dim, B.shape[3]), before


def _pass_on(added: Tensor, decays: Tensor, initial_state: Tensor | None) -> tuple[Tensor, Tensor]:
    """States before each chunk, in the place of what each chunk adds, and the one after the last."""
    state = added.new_zeros(added.shape[0], *added.shape[2:])
    if initial_state is not None:
        state.copy_(initial_state.reshape(state.shape))
    for index in range(added.shape[1]):
        following = torch.addcmul(added[:, index], decays[:, index], state)
        added[:, index] = state
        state = following
    return added, state


def _backward(grad_y, grad_last_state, x, delta, A, B, C, D, starts, before, chunk) -> tuple[Tensor, ...]:
    chunks = _chunks(x, delta, A, B, C, starts, chunk)
    groups, heads = chunks.x.shape[3:5]
    inputs = chunks.x * chunks.delta.unsqueeze(-1)
    grads_y = _cut(grad_y, chunk).unflatten(3, (groups, heads))
    grad_inputs, grad_B, grad_C, grad_log_decay = _backward_within_chunks(chunks, inputs, grads_y)

    scaled = grads_y * chunks.from_start.unsqueeze(-1)
    rows = _as_rows(scaled)
    grad_C += rows @ before
    grad_log_decay += _from_rows(chunks.C @ before.mT, heads).mul_(scaled).sum(-1)
    grad_state = before.new_zeros(before.shape[0], *before.shape[2:])
    if grad_last_state is not None:
        grad_state.copy_(grad_last_state.reshape(grad_state.shape))
    grad_added, grad_initial, grad_decays = _pass_back(
        rows.mT @ chunks.C, before, _decays_of_chunks(chunks), grad_state
    )
    grad_log_decay[:, :, -1] += grad_decays.unflatten(3, (heads, -1)).sum(-1) * chunks.from_start[:, :, -1]

    weighted = inputs * chunks.to_end.unsqueeze(-1)
    grad_B += _as_rows(weighted) @ grad_added
    grad_weighted = _from_rows(chunks.B @ grad_added.mT, heads)
    # the last step is at the chunk's end already
    by_end = weighted.mul_(grad_weighted).sum(-1)[:, :, :-1]
    grad_log_decay[:, :, -1] += by_end.sum(2)
    grad_log_decay[:, :, :-1] -= by_end
    grad_inputs = grad_weighted.mul_(chunks.to_end.unsqueeze(-1)).add_(_by_step(grad_inputs))
    return _gradients_of_inputs(grad_inputs, grad_B, grad_C, grad_log_decay, grad_y, x, delta, A, D, grad_initial)


def _backward_within_chunks(chunks: _Chunks, inputs: Tensor, grads_y: Tensor) -> tuple[Tensor, ...]:
    """Gradients by way of a chunk's own steps: of inputs (in the order of heads), B, C and summed log decays."""
    grads_y = _by_head(grads_y).contiguous()
    grad_inputs = (chunks.between * chunks.mixed).mT @ grads_y
    grad_mixing = (grads_y @ _by_head(inputs).mT).mul_(chunks.between)
    grad_mixed = grad_mixing.sum(3)
    by_exponent = grad_mixing.mul_(chunks.mixed)
    # a step does not decay towards itself
    by_exponent.diagonal(dim1=-1, dim2=-2).zero_()
    grad_log_decay = by_exponent.sum(-1, dtype=torch.float64) - by_exponent.sum(-2, dtype=torch.float64)
    return grad_inputs, grad_mixed.mT @ chunks.C, grad_mixed @ chunks.B, grad_log_decay.permute(0, 1, 4, 2, 3)


def _pass_back(grad_before: Tensor, before: Tensor, decays: Tensor, grad_state: Tensor) -> tuple[Tensor, ...]:
    """Gradients of what each chunk adds, in the place of `grad_before`, of the initial state and of the decays."""
    grad_decays = []
    for index in range(before.shape[1] - 1, -1, -1):
        grad_decays.insert(0, (grad_state * before[:, index]).sum(-1))
        preceding = torch.addcmul(grad_before[:, index], decays[:, index], grad_state)
        grad_before[:, index] = grad_state
        grad_state = preceding
    return grad_before, grad_state, torch.stack(grad_decays, 1) if grad_decays else before.new_zeros(before.shape[:4])


def _gradients_of_inputs(grad_inputs, grad_B, grad_C, grad_log_decay, grad_y, x, delta, A, D, grad_initial):
    """Go from chunks back to sequences, and from inputs and log decays to x, delta and A."""
    batch, seq_len, heads, head_dim = x.shape
    grad_log_decay = grad_log_decay.flip(2).cumsum(2).flip(2).to(x.dtype)

    def sequence(tensor, shape):
        return tensor.flatten(1, 2)[:, :seq_len].reshape(shape)

    grad_inputs = sequence(grad_inputs, x.shape)
    grad_log_decay = sequence(grad_log_decay, delta.shape)
    grad_delta = (grad_inputs * x).sum(-1).addcmul_(grad_log_decay, A)
    grad_A = (grad_log_decay * delta).sum((0, 1))
    grad_x = grad_inputs.mul_(delta.unsqueeze(-1))
    grad_D = x.new_empty(0)
    if D is not None:
        grad_D = (grad_y * x).sum((0, 1, 3))
        grad_x.addcmul_(grad_y, D[:, None])
    grad_B, grad_C = (
        sequence(grad.transpose(2, 3), (batch, seq_len, grad.shape[2], grad.shape[4])) for grad in (grad_B, grad_C)
    )
    return (
        grad_x,
        grad_delta,
        grad_A,
        grad_B,
        grad_C,
        grad_D,
        grad_initial.view(batch, heads, head_dim, grad_B.shape[3]),
    )


def _fake_forward(x, delta, A, B, C, D, initial_state, starts, chunk):
    batch, seq_len, heads, head_dim = x.shape
    groups, d_state = B.shape[2:]
    before = (batch, (seq_len + chunk - 1) // chunk, groups, heads // groups * head_dim, d_state)
    return x.new_empty(x.shape), x.new_empty(batch, heads, head_dim, d_state), x.new_empty(before)


def _fake_backward(grad_y, grad_last_state, x, delta, A, B, C, D, starts, before, chunk):
    grads = [tensor.new_empty(tensor.shape) for tensor in (x, delta, A, B, C)]
    grad_initial = x.new_empty(x.shape[0], x.shape[2], x.shape[3], B.shape[3])
    return *grads, x.new_empty(0 if D is None else D.shape), grad_initial


def _save(ctx, inputs, output) -> None:
    *tensors, _, starts, ctx.chunk = inputs
    ctx.save_for_backward(*tensors, starts, output[2])
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)


def _gradients(gradient_op, ctx, grad_y, grad_last_state, _):
    tensors = ctx.saved_tensors
    if grad_y is None:
        grad_y = torch.zeros_like(tensors[0])
    grads = gradient_op(grad_y, grad_last_state, *tensors, ctx.chunk)
    return *(grad if needed else None for grad, needed in zip(grads, ctx.needs_input_grad, strict=False)), None, None


_scan = differentiable(
    "ssd_torch(Tensor x, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? initial_state, Tensor? starts,"
    " SymInt chunk) -> (Tensor, Tensor, Tensor)",
    _forward,
    _fake_forward,
    _save,
    _gradients,
    gradient=(
        "ssd_torch_backward(Tensor grad_y, Tensor? grad_last_state, Tensor x, Tensor delta, Tensor A, Tensor B,"
        f" Tensor C, Tensor? D, Tensor? starts, Tensor before, SymInt chunk) -> ({', '.join(['Tensor'] * 7)})",
        _backward,
        _fake_backward,
    ),
)
