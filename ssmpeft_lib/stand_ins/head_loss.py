"""Cross-entropy of a language model's head, without the logits of all tokens in memory at once."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 256
"""Tokens at a time: their logits over some thousand words stay in the processor's cache."""


def head_loss(hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """Sum the cross-entropy of next-token prediction over tokens, in float32.

    The gradients of both inputs are computed together with the loss, while the logits are at hand (Hsu et al., 2024,
    Liger Kernel).

    Args:
        hidden: outputs of the last norm, shape [tokens, d_model].
        weight: of the head, shape [vocabulary, d_model].
        targets: the right token of each row, int64, shape [tokens].
        dtype: of the matrix products.
    Returns:
        A scalar.
    """
    return _HeadLoss.apply(hidden, weight, targets, dtype)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        differentiated = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        low_weight = weight.detach().to(dtype)
        low_hidden = hidden.detach().to(dtype)
        grad_hidden = torch.empty_like(low_hidden) if differentiated else None
        grad_weight = torch.zeros(weight.shape, dtype=torch.float32) if differentiated else None
        total = torch.zeros((), dtype=torch.float32)
        for x, right, out in _chunks(low_hidden, targets, grad_hidden):
            logs = torch.log_softmax((x @ low_weight.t()).float(), dim=1)
            total -= logs.gather(1, right[:, None]).sum()
            if differentiated:
                grad = logs.exp_().scatter_add_(1, right[:, None], logs.new_full((len(x), 1), -1.0)).to(dtype)
                torch.mm(grad, low_weight, out=out)
                grad_weight += grad.t() @ x
        ctx.save_for_backward(grad_hidden, grad_weight)
        ctx.dtype = hidden.dtype
        return total

    @staticmethod
    def backward(ctx, grad_output: Tensor):
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden.to(ctx.dtype) * grad_output, grad_weight * grad_output, None, None


def _chunks(hidden: Tensor, targets: Tensor, out: Tensor | None):
    outs = [None] * -(-len(hidden) // ROWS) if out is None else out.split(ROWS)
    return zip(hidden.split(ROWS), targets.split(ROWS), outs, strict=True)
