"""How an op with a hand-written backward is made known to autograd and to torch.compile.

Each op is registered twice from the same functions: with the dispatcher, which torch.compile and export need, and
as an `autograd.Function`, which eager calls use because it is the cheaper of the two (measured by
`benchmarks/kernels.py`; the difference shows on models of a few thousand parameters).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LIBRARY = torch.library.Library("ssmpeft", "DEF")


def register(schema: str, implementation: Callable, fake: Callable) -> Callable:
    """Register an op without a gradient of its own under `torch.ops.ssmpeft` and return its dispatching form."""
    name = LIBRARY.define(schema)
    LIBRARY.impl(name, implementation, "CompositeExplicitAutograd")
    torch.library.register_fake(f"ssmpeft::{name}", fake, lib=LIBRARY)
    return getattr(torch.ops.ssmpeft, name).default


def opaque(schema: str, implementation: Callable, fake: Callable) -> Callable:
    """Register an op without a gradient, and return the function to call: of eager calls the implementation itself.

    A schema names what the op changes in place: `Tensor(a!) state`.
    """
    op = register(schema, implementation, fake)

    def call(*inputs):
        return op(*inputs) if torch.compiler.is_compiling() else implementation(*inputs)

    return wraps(implementation)(call)


def differentiable(
    schema: str, implementation: Callable, fake: Callable, setup: Callable, backward: Callable, gradient: tuple
) -> Callable:
    """Register a differentiable op and return the function to call.

    Args:
        schema, implementation, fake: as for `register`.
        setup: (ctx, inputs, output), saves what the backward needs.
        backward: (gradient_op, ctx, *gradients of the outputs) -> gradients of the inputs.
        gradient: schema, implementation and fake of the op that `backward` is given as `gradient_op`.
    """
    implementation = _without_autocast(implementation)
    gradient = (gradient[0], _without_autocast(gradient[1]), gradient[2])
    forward_op = register(schema, implementation, fake)
    gradient_op = register(*gradient)

    def dispatching_backward(ctx, *grads):
        return backward(gradient_op, ctx, *grads)

    torch.library.register_autograd(forward_op.name(), dispatching_backward, setup_context=setup, lib=LIBRARY)

    # with a `setup_context` of its own, `apply` would inspect the signature of `forward` on every call
    def eager_forward(ctx, *inputs):
        output = implementation(*inputs)
        setup(ctx, inputs, output)
        return output

    def eager_backward(ctx, *grads):
        return backward(gradient[1], ctx, *grads)

    methods = {"forward": staticmethod(eager_forward), "backward": staticmethod(once_differentiable(eager_backward))}
    eager = type("Eager", (torch.autograd.Function,), methods)

    def call(*inputs):
        if torch.compiler.is_compiling():
            return forward_op(*inputs)
        return eager.apply(*inputs) if torch.is_grad_enabled() else implementation(*inputs)

    return call


def _without_autocast(implementation: Callable) -> Callable:
    """The same with the types it is given: autocast would have its products in 16 bits, and the rest in 32."""

    @wraps(implementation)
    def run(*inputs):
        device = inputs[0].device.type
        if not torch.is_autocast_enabled(device):
            return implementation(*inputs)
        with torch.autocast(device, enabled=False):
            return implementation(*inputs)

    return run


def needs_gradient(*tensors: Tensor | None) -> bool:
    """Whether autograd will ask for a gradient of one of `tensors`."""
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
