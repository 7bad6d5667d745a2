"""Sums of geometric sequences, the core of an S4D convolution kernel, with a hand-written gradient."""

from __future__ import annotations

from math import ceil, isqrt

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class GeometricSum(torch.autograd.Function):
    """y[l] = Re sum over n of weight[n] exp(l log_ratio[n]) for l = 0 .. seq_len - 1.

    With l = q block + r, ratio^l = ratio^(q block) ratio^r: two small tables of powers and a matrix product each way.
    The tables are filled by doubling, with about log2(seq_len) exponentials a state in place of seq_len.
    Autograd through the same blocks takes three times as long.

    Args of `apply`:
        weight, log_ratio: both real or both complex, shape [..., d_state].
        seq_len: length of the result, [..., seq_len].
    """

    @staticmethod
    def forward(weight: Tensor, log_ratio: Tensor, seq_len: int) -> tuple[Tensor, Tensor, Tensor]:
        """y [..., seq_len], and for the gradient the two tables of powers.

        The tables are those of ratio^(q block), [..., d_state, blocks], and of ratio^r, [..., d_state, block], or
        [..., 2 d_state, block] with real and imaginary parts where the ratio is complex.
        """
        block = max(1, isqrt(seq_len))
        within = powers(log_ratio, block)  # [..., d_state, block]
        starts = powers(block * log_ratio, ceil(seq_len / block))  # [..., d_state, blocks]
        left = weight[..., None] * starts
        if weight.is_complex():
            # the real part of a complex product is one real product of twice the length
            left, right = torch.cat([left.real, -left.imag], -2), torch.cat([within.real, within.imag], -2)
        else:
            right = within
        return (left.mT @ right).flatten(-2)[..., :seq_len], starts, right

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Keep what the gradient needs: the two tables come as outputs, but are not differentiated."""
        weight, _, ctx.seq_len = inputs
        _, starts, right = output
        ctx.mark_non_differentiable(starts, right)
        ctx.save_for_backward(weight, starts, right)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor, *_) -> tuple[Tensor, Tensor, None]:
        """Gradients of `weight` and `log_ratio`, [..., d_state] each, from that of y, [..., seq_len]."""
        weight, starts, right = ctx.saved_tensors
        blocks, block = starts.shape[-1], right.shape[-1]
        gradient = F.pad(gradient, (0, blocks * block - ctx.seq_len)).unflatten(-1, (blocks, block))
        lag = torch.arange(block, dtype=gradient.dtype, device=gradient.device)
        inner = right @ torch.cat([gradient, gradient * lag], -2).mT
        if weight.is_complex():
            inner = torch.complex(*inner.chunk(2, dim=-2))
        plain, by_lag = inner.chunk(2, dim=-1)  # [..., d_state, blocks], sums over r of g and of r g times ratio^r
        plain = starts * plain
        first = block * torch.arange(blocks, dtype=gradient.dtype, device=gradient.device)
        moment = (plain * first).sum(-1) + (starts * by_lag).sum(-1)
        return plain.sum(-1).conj(), (weight * moment).conj(), None

    @staticmethod
    def vmap(info, in_dims, weight: Tensor, log_ratio: Tensor, seq_len: int):
        """Under `torch.vmap` the batch becomes the first of the leading axes."""
        weight, log_ratio = (
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in ((weight, in_dims[0]), (log_ratio, in_dims[1]))
        )
        return GeometricSum.apply(weight, log_ratio, seq_len), (0, 0, 0)


def powers(log_ratio: Tensor, count: int) -> Tensor:
    """ratio^0 .. ratio^(count - 1) along a new last dimension: each pass doubles the table with one new exponential."""
    table = log_ratio.new_ones(*log_ratio.shape, count)
    done = 1
    while done < count:
        todo = min(done, count - done)
        # exp(done log_ratio), not the square of the last factor, so that rounding does not double as well
        table[..., done : done + todo] = table[..., :todo] * torch.exp(done * log_ratio)[..., None]
        done *= 2
    return table
