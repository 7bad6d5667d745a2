"""Cross-entropy of a language model's head; over thousands of words its logits are most of a small model's memory."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 256
"""Tokens at a time where no gradient is wanted: their logits in float32 stay in the processor's cache."""


def head_loss(hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """Sum the cross-entropy of next-token prediction over tokens.

    The gradients of both inputs are computed together with the loss, while the probabilities are at hand (Hsu et al.,
    2024, Liger Kernel); with them, probabilities are of type `dtype`, and so is what the loss is computed from. Without
    gradients the loss is computed in float32.

    Args:
        hidden: outputs of the last norm, shape [tokens, d_model].
        weight: of the head, shape [vocabulary, d_model].
        targets: the right token of each row, int64, shape [tokens].
        dtype: of the matrix products.
    Returns:
        A scalar in float32.
    """
    return _HeadLoss.apply(hidden, weight, targets, dtype)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        x, head, right = hidden.detach().to(dtype), weight.detach().to(dtype), targets[:, None]
        ctx.dtypes = hidden.dtype, weight.dtype
        if not any(ctx.needs_input_grad[:2]):
            return _loss(x, head, right)
        grad = torch.softmax(x @ head.t(), dim=1)
        # smaller ones than float32 has would give an infinite loss
        loss = -grad.gather(1, right).float().clamp_(min=torch.finfo(torch.float32).tiny).log_().sum()
        grad.scatter_add_(1, right, grad.new_full(right.shape, -1.0))
        ctx.save_for_backward(grad @ head, grad.t() @ x)
        return loss

    @staticmethod
    def backward(ctx, grad_output: Tensor):
        grads = (grad.to(dtype).mul_(grad_output) for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True))
        return *grads, None, None


def _loss(x: Tensor, head: Tensor, right: Tensor) -> Tensor:
    total = torch.zeros((), dtype=torch.float32)
    for part, places in zip(x.split(ROWS), right.split(ROWS), strict=True):
        total -= torch.log_softmax((part @ head.t()).float(), dim=1).gather(1, places).sum()
    return total
