"""The short causal convolution before the scan of a Mamba block, with its activation."""

from __future__ import annotations

from torch import Tensor

from ssmpeft_lib.ops._dispatch import pick_backend
from ssmpeft_lib.ops._layout import (
    accumulation_dtype,
    cast,
    check_documents,
    check_floating,
    check_initial,
    check_like,
    check_same_dtype,
    starts_of,
)
from ssmpeft_lib.ops._vmap import vmappable
from ssmpeft_lib.ops.conv import cpp, mamba_ssm, naive, torch

BACKENDS = {
    "cpp": cpp.causal_conv1d,
    "mamba_ssm": mamba_ssm.causal_conv1d,
    "torch": torch.causal_conv1d,
    "naive": naive.causal_conv1d,
}

ACTIVATIONS = {"silu": "silu", "swish": "silu", None: None}
"""What the kernels call each activation."""


def known_activation(op: str, activation: str | None) -> str | None:
    """The activation as the kernels call it, or a ValueError."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"{op}: activation is {activation!r}, expected one of {tuple(ACTIVATIONS)}")
    return ACTIVATIONS[activation]


@vmappable("weight", "bias")
def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = "silu",
    initial_columns: Tensor | None = None,
    seq_idx: Tensor | None = None,
    backend: str = "auto",
) -> Tensor:
    """Depthwise causal convolution: y_t = activation(bias + sum over k of weight[:, k] x_{t - width + 1 + k}).

    Any strides will do; the output keeps the order of strides of `x`.

    Args:
        x: shape [batch, d_inner, seq_len].
        weight: shape [d_inner, width]; the last column meets the present input.
        bias: shape [d_inner].
        activation: `silu`, which is `swish` too, or None.
        initial_columns: the inputs just before x[..., 0], oldest first, shape [batch or 1, d_inner, width - 1]; zero
            if not given. Its gradient is summed over the batch where it is shared.
        seq_idx: which document each step belongs to, whole numbers of shape [batch, seq_len]; before each document
            stand the initial columns. Without it each row is one document.
        backend: `auto`, or a name from `backends()`.
    Returns:
        y of the shape, type and layout of `x`.
    Raises:
        TypeError, ValueError: a shape, type, device, activation or backend that does not fit.
    """
    op = "causal_conv1d"
    check_floating(op, "x", x, "(batch, d_inner, seq_len)")
    check_floating(op, "weight", weight, "(d_inner, width)")
    batch, d_inner, seq_len = x.shape
    width = weight.shape[1]
    check_like(
        op,
        x,
        (("weight", weight, "(d_inner, width)", (d_inner, width)), ("bias", bias, "(d_inner,)", (d_inner,))),
    )
    check_initial(op, "initial_columns", initial_columns, "(batch, d_inner, width - 1)", batch, (d_inner, width - 1))
    check_same_dtype(op, x, (("initial_columns", initial_columns),))
    check_documents(op, seq_idx, x, (batch, seq_len))
    activation = known_activation(op, activation)
    compute = accumulation_dtype(x.dtype)
    run = pick_backend(op, BACKENDS, backend, x.device, x.dtype)
    return run(x, cast(weight, compute), cast(bias, compute), activation, initial_columns, starts_of(seq_idx))
