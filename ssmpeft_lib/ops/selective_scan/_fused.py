"""What the backends share that compute the selective scan and all around it in one kernel: registration and gradients.

They keep `checkpoints`, states of some steps, and recompute the others in the backward.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ssmpeft_lib.ops._autograd import differentiable, needs_gradient
from ssmpeft_lib.ops._layout import empty_in_layout_of

TENSORS = (
    "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z, Tensor? delta_bias,"
    " Tensor? initial_state, Tensor? starts"
)


def fused_scan(name: str, forward: Callable, backward: Callable, checkpoints: Callable) -> Callable:
    """Register the scan of a backend, and return it as `selective_scan` calls it.

    Args:
        name: of the backend.
        forward: (u, delta, A, B, C, D, z, delta_bias, initial_state, starts, softplus, keep, out, last_state,
            checkpoints), fills the last three.
        backward: (grad_out, grad_last, u, ..., initial_state, starts, checkpoints, softplus) -> gradients of u, ...,
            initial_state, as `empty_gradients` lays them out.
        checkpoints: (u, A, keep) -> room for what the backward needs; empty where it is not to be kept.
    """

    def fake_forward(u, delta, A, B, C, D, z, delta_bias, initial_state, starts, softplus, keep):
        return empty_in_layout_of(u), A.new_empty(u.shape[0], *A.shape), checkpoints(u, A, keep)

    def filled_forward(*inputs):
        outputs = fake_forward(*inputs)
        forward(*inputs, *outputs)
        return outputs

    scan = differentiable(
        f"scan_{name}({TENSORS}, bool softplus, bool keep) -> (Tensor, Tensor, Tensor)",
        filled_forward,
        fake_forward,
        _save,
        _gradients,
        gradient=(
            f"scan_{name}_backward(Tensor grad_out, Tensor? grad_last, {TENSORS}, Tensor checkpoints, bool softplus)"
            f" -> ({', '.join(['Tensor'] * 9)})",
            backward,
            empty_gradients,
        ),
    )

    def selective_scan(
        u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state, starts
    ) -> tuple[Tensor, Tensor]:
        """Selective scan with everything around it fused: bias, softplus, D and gate."""
        keep = needs_gradient(u, delta, A, B, C, D, z, delta_bias, initial_state)
        y, last_state, _ = scan(u, delta, A, B, C, D, z, delta_bias, initial_state, starts, delta_softplus, keep)
        return y, last_state

    return selective_scan


def empty_gradients(
    grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, starts, checkpoints, softplus
):
    """Room for the gradients of the inputs from u to initial_state."""

    # an op cannot return None, so the gradient of what was not given is empty
    def like(tensor):
        return A.new_empty(0) if tensor is None else A.new_empty(tensor.shape)

    return (
        empty_in_layout_of(u),
        empty_in_layout_of(delta),
        A.new_empty(A.shape),
        empty_in_layout_of(B),
        empty_in_layout_of(C),
        like(D),
        A.new_empty(0) if z is None else empty_in_layout_of(z),
        like(delta_bias),
        like(initial_state),
    )


def _save(ctx, inputs, output) -> None:
    *tensors, softplus, _ = inputs
    ctx.save_for_backward(*tensors, output[2])
    ctx.softplus = softplus
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)


def _gradients(gradient_op, ctx, grad_out, grad_last, _):
    tensors = ctx.saved_tensors
    if grad_out is None:
        grad_out = torch.zeros_like(tensors[0])
    grads = gradient_op(grad_out, grad_last, *tensors, ctx.softplus)
    grads = (grad if needed else None for grad, needed in zip(grads, ctx.needs_input_grad, strict=False))
    return *grads, None, None, None
